//! The envelope of calls and replies: method name, message type, sequence id.

use crate::binary::{BinaryReader, BinaryWriter};
use crate::model::Response;
use crate::service::Call;
use crate::tjson::{TJsonReader, TJsonWriter};
use crate::wire::{DecodeError, Reader, Type, Wire, Writer};

const CALL: u8 = 1;
const REPLY: u8 = 2;
const EXCEPTION: u8 = 3;
const ONEWAY: u8 = 4;
const STRICT: u32 = 0x8001_0000;

/// How a message is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TBinary, strict.
    Binary,
    /// TJSON.
    Json,
}

impl Protocol {
    /// The media type that an answer in this protocol carries.
    pub fn media_type(self) -> &'static str {
        match self {
            Protocol::Binary => "application/vnd.apache.thrift.binary",
            Protocol::Json => "application/vnd.apache.thrift.json",
        }
    }
}

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The method's name, known here or not.
    pub method: String,
    /// To be echoed in the answer.
    pub sequence: i32,
    /// The call; `None` when there is no such method.
    pub call: Option<Call>,
}

fn write_message(
    protocol: Protocol,
    name: &str,
    kind: u8,
    sequence: i32,
    body: impl Body,
) -> Vec<u8> {
    match protocol {
        Protocol::Binary => {
            let mut out = BinaryWriter::default();
            out.bytes
                .extend_from_slice(&(STRICT | u32::from(kind)).to_be_bytes());
            out.text(name);
            out.bytes.extend_from_slice(&sequence.to_be_bytes());
            body.write(&mut out);
            out.bytes
        }
        Protocol::Json => {
            let mut out = TJsonWriter::default();
            out.message(name, kind, sequence);
            body.write(&mut out);
            out.message_end();
            out.bytes
        }
    }
}

trait Body {
    fn write<W: Writer>(&self, out: &mut W);
}

struct Arguments<'a>(&'a Call);
impl Body for Arguments<'_> {
    fn write<W: Writer>(&self, out: &mut W) {
        self.0.write_arguments(out);
    }
}

struct Success<'a>(&'a Response);
impl Body for Success<'_> {
    fn write<W: Writer>(&self, out: &mut W) {
        out.struct_begin();
        out.field_begin("success", Type::Struct, 0);
        self.0.write(out);
        out.field_end();
        out.struct_end();
    }
}

struct Failure<'a>(&'a str, i32);
impl Body for Failure<'_> {
    fn write<W: Writer>(&self, out: &mut W) {
        out.struct_begin();
        out.field_begin("message", Type::String, 1);
        out.text(self.0);
        out.field_end();
        out.field_begin("type", Type::I32, 2);
        out.integer(Type::I32, i64::from(self.1));
        out.field_end();
        out.struct_end();
    }
}

/// The bytes of a call.
pub fn encode_call(protocol: Protocol, sequence: i32, call: &Call) -> Vec<u8> {
    write_message(protocol, call.method(), CALL, sequence, Arguments(call))
}

/// The bytes of an answer to `method`.
pub fn encode_reply(
    protocol: Protocol,
    method: &str,
    sequence: i32,
    response: &Response,
) -> Vec<u8> {
    write_message(protocol, method, REPLY, sequence, Success(response))
}

/// The bytes of the answer to a method that is not there (TApplicationException, UNKNOWN_METHOD).
pub fn encode_unknown_method(protocol: Protocol, method: &str, sequence: i32) -> Vec<u8> {
    let text = format!("Invalid method name: '{method}'");
    write_message(protocol, method, EXCEPTION, sequence, Failure(&text, 1))
}

pub(crate) fn read_header_binary(
    input: &mut BinaryReader<'_>,
) -> Result<(String, u8, i32), DecodeError> {
    let first = input.i32()?;
    if first < 0 {
        if (first as u32) & 0xffff_0000 != STRICT {
            return Err(DecodeError::Malformed {
                at: 0,
                what: "unknown protocol version",
            });
        }
        let name = input.text()?;
        return Ok((name, first as u8, input.i32()?));
    }
    // The old, unversioned form: the name's length comes first.
    let name = input.take(first as usize)?;
    let name = String::from_utf8_lossy(name).into_owned();
    let kind = input.byte()?;
    Ok((name, kind, input.i32()?))
}

fn read_call<R: Reader>(
    (method, kind, sequence): (String, u8, i32),
    input: &mut R,
) -> Result<Request, DecodeError> {
    if kind != CALL && kind != ONEWAY {
        return Err(DecodeError::MessageType {
            expected: "call",
            found: kind,
        });
    }
    let call = Call::read_arguments(&method, input).transpose()?;
    Ok(Request {
        method,
        sequence,
        call,
    })
}

/// Reads a call.
pub fn decode_call(protocol: Protocol, bytes: &[u8]) -> Result<Request, DecodeError> {
    match protocol {
        Protocol::Binary => {
            let mut input = BinaryReader::new(bytes);
            let header = read_header_binary(&mut input)?;
            read_call(header, &mut input)
        }
        Protocol::Json => {
            let mut input = TJsonReader::new(bytes);
            let header = input.message()?;
            read_call(header, &mut input)
        }
    }
}

fn read_reply<R: Reader>(kind: u8, input: &mut R) -> Result<Response, DecodeError> {
    if kind != REPLY && kind != EXCEPTION {
        return Err(DecodeError::MessageType {
            expected: "reply",
            found: kind,
        });
    }
    let mut response = None;
    let mut refusal = String::from("no reason given");
    input.struct_begin()?;
    while let Some((id, field)) = input.field_begin(&[])? {
        match (kind, id, field) {
            (REPLY, 0, Type::Struct) => response = Some(Response::read(input)?),
            (EXCEPTION, 1, Type::String) => refusal = input.text()?,
            _ => input.skip(field)?,
        }
        input.field_end()?;
    }
    match response {
        Some(response) => Ok(response),
        None if kind == EXCEPTION => Err(DecodeError::Application(refusal)),
        None => Err(DecodeError::Application(
            "the reply has no result".to_owned(),
        )),
    }
}

/// Reads the answer to a call.
pub fn decode_reply(protocol: Protocol, bytes: &[u8]) -> Result<Response, DecodeError> {
    match protocol {
        Protocol::Binary => {
            let mut input = BinaryReader::new(bytes);
            let (_, kind, _) = read_header_binary(&mut input)?;
            read_reply(kind, &mut input)
        }
        Protocol::Json => {
            let mut input = TJsonReader::new(bytes);
            let (_, kind, _) = input.message()?;
            read_reply(kind, &mut input)
        }
    }
}

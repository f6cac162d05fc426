//! Thrift messages and values, binary and TJSON: the first byte chooses.
#![no_main]

use aurora_api::message::{Protocol, decode_call, decode_reply};
use aurora_api::model::{JobConfiguration, ScheduledTask};
use aurora_api::{binary, tjson};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else {
        return;
    };
    let protocol = if choice & 1 == 0 {
        Protocol::Binary
    } else {
        Protocol::Json
    };
    match choice >> 1 & 3 {
        0 => drop(decode_call(protocol, bytes)),
        1 => drop(decode_reply(protocol, bytes)),
        2 => {
            if let Ok(value) = binary::decode::<JobConfiguration>(bytes) {
                assert_eq!(binary::decode(&binary::encode(&value)).as_ref(), Ok(&value));
                assert_eq!(tjson::decode(&tjson::encode(&value)).as_ref(), Ok(&value));
            }
        }
        _ => {
            if let Ok(value) = tjson::decode::<ScheduledTask>(bytes) {
                assert_eq!(binary::decode(&binary::encode(&value)).as_ref(), Ok(&value));
                assert_eq!(tjson::decode(&tjson::encode(&value)).as_ref(), Ok(&value));
            }
        }
    }
});

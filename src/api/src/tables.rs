//! The macros behind the tables of the model: one line a field, a member, a value or a method.

/// A struct: `id => field: Type as "wireName",` a line. Fields that are not `Option` are always written.
macro_rules! r#struct {
    ($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $id:literal => $field:ident : $ty:ty as $wire:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            $(
                $(#[$fmeta])*
                #[doc = concat!("Field ", stringify!($id), ", `", $wire, "`.")]
                pub $field: $ty,
            )*
        }

        impl $crate::wire::Wire for $name {
            const TYPE: $crate::wire::Type = $crate::wire::Type::Struct;
            fn write<W: $crate::wire::Writer>(&self, out: &mut W) {
                out.struct_begin();
                $(
                    if <$ty as $crate::wire::Wire>::is_set(&self.$field) {
                        out.field_begin($wire, <$ty as $crate::wire::Wire>::TYPE, $id);
                        <$ty as $crate::wire::Wire>::write(&self.$field, out);
                        out.field_end();
                    }
                )*
                out.struct_end();
            }
            fn read<R: $crate::wire::Reader>(input: &mut R) -> std::result::Result<Self, $crate::wire::DecodeError> {
                #[allow(unused_mut, reason = "a struct without fields has nothing to fill")]
                let mut value = Self::default();
                const FIELDS: &[$crate::wire::Field] = &[$($crate::wire::Field {
                    name: $wire,
                    id: $id,
                    kind: <$ty as $crate::wire::Wire>::TYPE,
                },)*];
                input.struct_begin()?;
                while let Some((id, kind)) = input.field_begin(FIELDS)? {
                    match (id, kind) {
                        $(
                            ($id, kind) if kind == <$ty as $crate::wire::Wire>::TYPE => {
                                value.$field = match <$ty as $crate::wire::Wire>::read(input) {
                                    Err($crate::wire::DecodeError::UnknownValue { .. }) => {
                                        return Err($crate::wire::DecodeError::UnknownRequired {
                                            name: stringify!($name),
                                            field: $wire,
                                        });
                                    }
                                    other => other?,
                                };
                            }
                        )*
                        (_, kind) => input.skip(kind)?,
                    }
                    input.field_end()?;
                }
                Ok(value)
            }
        }
    };
}
pub(crate) use r#struct;

/// A union: `id => Member(Type) as "wireName",` a line.
macro_rules! union {
    ($(#[$meta:meta])* $name:ident { $($id:literal => $member:ident($ty:ty) as $wire:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(
                #[doc = concat!("Member ", stringify!($id), ", `", $wire, "`.")]
                $member($ty),
            )*
        }

        impl $crate::wire::Wire for $name {
            const TYPE: $crate::wire::Type = $crate::wire::Type::Struct;
            fn write<W: $crate::wire::Writer>(&self, out: &mut W) {
                out.struct_begin();
                match self {
                    $(
                        $name::$member(value) => {
                            out.field_begin($wire, <$ty as $crate::wire::Wire>::TYPE, $id);
                            <$ty as $crate::wire::Wire>::write(value, out);
                            out.field_end();
                        }
                    )*
                }
                out.struct_end();
            }
            fn read<R: $crate::wire::Reader>(input: &mut R) -> std::result::Result<Self, $crate::wire::DecodeError> {
                let mut found = None;
                const FIELDS: &[$crate::wire::Field] = &[$($crate::wire::Field {
                    name: $wire,
                    id: $id,
                    kind: <$ty as $crate::wire::Wire>::TYPE,
                },)*];
                input.struct_begin()?;
                while let Some((id, kind)) = input.field_begin(FIELDS)? {
                    match (id, kind) {
                        $(
                            ($id, kind) if kind == <$ty as $crate::wire::Wire>::TYPE => {
                                found = <Option<$ty> as $crate::wire::Wire>::read(input)?.map($name::$member);
                            }
                        )*
                        (_, kind) => input.skip(kind)?,
                    }
                    input.field_end()?;
                }
                found.ok_or($crate::wire::DecodeError::UnknownValue { name: stringify!($name), value: -1 })
            }
        }
    };
}
pub(crate) use union;

/// An enumeration: `Variant = number as "WIRE_NAME",` a line. The default is the first.
macro_rules! enumeration {
    ($(#[$meta:meta])* $name:ident { $first:ident = $fnum:literal as $fwire:literal, $($variant:ident = $num:literal as $wire:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i32)]
        pub enum $name {
            #[doc = concat!("`", $fwire, "`, ", stringify!($fnum), ".")]
            #[default]
            $first = $fnum,
            $(
                #[doc = concat!("`", $wire, "`, ", stringify!($num), ".")]
                $variant = $num,
            )*
        }

        impl $name {
            /// Every value, in the order of the definition.
            pub const ALL: &'static [$name] = &[$name::$first, $($name::$variant,)*];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self {
                    $name::$first => $fwire,
                    $($name::$variant => $wire,)*
                }
            }

            /// The value with this wire name.
            pub fn from_name(name: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }

            /// The value with this number.
            pub fn from_number(number: i32) -> Option<$name> {
                match number {
                    $fnum => Some($name::$first),
                    $($num => Some($name::$variant),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::from_name(&name).ok_or_else(|| {
                    serde::de::Error::custom(format!("{} has no member {name:?}", stringify!($name)))
                })
            }
        }

        impl $crate::wire::Wire for $name {
            const TYPE: $crate::wire::Type = $crate::wire::Type::I32;
            fn write<W: $crate::wire::Writer>(&self, out: &mut W) {
                out.enumeration(*self as i32, self.name());
            }
            fn read<R: $crate::wire::Reader>(input: &mut R) -> std::result::Result<Self, $crate::wire::DecodeError> {
                let number = input.enumeration(&|name| Self::from_name(name).map(|value| value as i32))?;
                Self::from_number(number)
                    .ok_or($crate::wire::DecodeError::UnknownValue { name: stringify!($name), value: number })
            }
        }
    };
}
pub(crate) use enumeration;

/// The service: `"wireName" Access => Variant { id => argument: Type as "name", }` a method.
macro_rules! service {
    ($($(#[$meta:meta])* $wire:literal $access:ident => $variant:ident { $($id:literal => $arg:ident : $ty:ty as $awire:literal,)* })*) => {
        /// Argument structs, one a method.
        pub mod arguments {
            use super::*;
            $(
                $crate::tables::r#struct! {
                    $(#[$meta])*
                    $variant { $($id => $arg: $ty as $awire,)* }
                }
            )*
        }

        /// A call of the service with its arguments.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Call {
            $(
                $(#[$meta])*
                $variant(arguments::$variant),
            )*
        }

        impl Call {
            /// Every method's wire name, in the order of the definition.
            pub const METHODS: &'static [&'static str] = &[$($wire,)*];

            /// The method's wire name.
            pub fn method(&self) -> &'static str {
                match self {
                    $(Call::$variant(_) => $wire,)*
                }
            }

            /// What a caller has to be allowed to do.
            pub fn access(&self) -> Access {
                match self {
                    $(Call::$variant(_) => Access::$access,)*
                }
            }

            pub(crate) fn write_arguments<W: $crate::wire::Writer>(&self, out: &mut W) {
                match self {
                    $(Call::$variant(arguments) => $crate::wire::Wire::write(arguments, out),)*
                }
            }

            /// Reads the arguments of the method from plain JSON by their names, as `/apibeta` takes them; `None` when
            /// there is no such method.
            pub fn from_json(
                method: &str,
                arguments: serde_json::Map<String, serde_json::Value>,
            ) -> Option<std::result::Result<Call, $crate::wire::DecodeError>> {
                let mut input = $crate::simple_reader::SimpleReader::new(arguments);
                Self::read_arguments(method, &mut input)
            }

            /// Reads the arguments of the method; `None` when there is no such method (nothing is read).
            pub(crate) fn read_arguments<R: $crate::wire::Reader>(
                method: &str,
                input: &mut R,
            ) -> Option<std::result::Result<Call, $crate::wire::DecodeError>> {
                match method {
                    $($wire => Some(<arguments::$variant as $crate::wire::Wire>::read(input).map(Call::$variant)),)*
                    _ => None,
                }
            }
        }

        $(
            impl From<arguments::$variant> for Call {
                fn from(arguments: arguments::$variant) -> Call {
                    Call::$variant(arguments)
                }
            }
        )*
    };
}
pub(crate) use service;

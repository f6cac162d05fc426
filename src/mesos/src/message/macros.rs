//! The two declarative macros; what they accept is described in the module head.

/// Declares messages. See [`crate::message`].
macro_rules! message {
    ($(
        $(#[$meta:meta])*
        $name:ident = $full:literal {
            $($number:literal $field:ident $($json:literal)?: $kind:ident $ty:ty $(= $default:expr)?),* $(,)?
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $(
                #[doc = concat!("Field ", $number, " (", stringify!($kind), ").")]
                pub $field: $crate::message::macros::field_type!($kind $ty),
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $crate::message::macros::field_default!($kind $(= $default)?),)*
                }
            }
        }

        impl $crate::message::Message for $name {
            const NAME: &'static str = $full;
            const FIELDS: &'static [$crate::message::FieldInfo] = &[
                $($crate::message::FieldInfo {
                    number: $number,
                    name: $crate::message::macros::field_name!($field $($json)?),
                    label: $crate::message::macros::field_label!($kind),
                    kind: <$ty as $crate::message::Wire>::KIND,
                },)*
            ];

            #[allow(unused_variables, reason = "messages without fields")]
            fn read_fields(
                &mut self,
                object: &serde_json::Map<String, serde_json::Value>,
                reader: &mut $crate::message::Reader,
            ) -> Result<(), String> {
                $($crate::message::macros::field_read!($kind)(
                    &mut self.$field,
                    object,
                    $crate::message::macros::field_name!($field $($json)?),
                    reader,
                )?;)*
                Ok(())
            }

            #[allow(unused_variables, reason = "messages without fields")]
            fn write_fields<M: serde::ser::SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                $($crate::message::macros::field_write!(
                    $kind map self.$field, $crate::message::macros::field_name!($field $($json)?)
                );)*
                Ok(())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::message::Wire::write(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = serde_json::Value::deserialize(deserializer)?;
                $crate::message::from_value(&value).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

/// Declares enumerations; the first value is the default, as in protobuf.
macro_rules! enumeration {
    ($(
        $(#[$meta:meta])*
        $name:ident {
            $first:ident $first_text:literal = $first_number:literal
            $(, $variant:ident $text:literal = $number:literal)* $(,)?
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            #[doc = concat!("`", $first_text, "`")]
            #[default]
            $first,
            $(
                #[doc = concat!("`", $text, "`")]
                $variant,
            )*
        }

        impl $crate::message::Enumeration for $name {
            fn from_name(name: &str) -> Option<Self> {
                match name {
                    $first_text => Some(Self::$first),
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
            fn name(self) -> &'static str {
                match self {
                    Self::$first => $first_text,
                    $(Self::$variant => $text,)*
                }
            }
            fn from_number(number: i32) -> Option<Self> {
                match number {
                    $first_number => Some(Self::$first),
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }
            fn number(self) -> i32 {
                match self {
                    Self::$first => $first_number,
                    $(Self::$variant => $number,)*
                }
            }
        }

        impl $crate::message::Wire for $name {
            const KIND: $crate::message::FieldType =
                $crate::message::FieldType::Enum($crate::message::EnumTable {
                    name: |number| {
                        <Self as $crate::message::Enumeration>::from_number(number)
                            .map($crate::message::Enumeration::name)
                    },
                    number: |name| {
                        <Self as $crate::message::Enumeration>::from_name(name)
                            .map($crate::message::Enumeration::number)
                    },
                });
            fn read(
                value: &serde_json::Value,
                field: &str,
                reader: &mut $crate::message::Reader,
            ) -> Result<$crate::message::Read<Self>, String> {
                reader.enumeration(value, field)
            }
            fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($crate::message::Enumeration::name(*self))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::message::Enumeration::name(*self))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::message::Wire::write(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = String::deserialize(deserializer)?;
                $crate::message::Enumeration::from_name(&name).ok_or_else(|| {
                    serde::de::Error::custom(format_args!("no {} is named '{name}'", stringify!($name)))
                })
            }
        }
    )*};
}

macro_rules! field_type {
    (required $ty:ty) => { $ty };
    (default $ty:ty) => { $ty };
    (optional $ty:ty) => { Option<$ty> };
    (boxed $ty:ty) => { Option<Box<$ty>> };
    (repeated $ty:ty) => { Vec<$ty> };
    (listed $ty:ty) => { Vec<$ty> };
    (map $ty:ty) => { std::collections::BTreeMap<String, $ty> };
}

macro_rules! field_default {
    (default = $default:expr) => {
        $default
    };
    ($kind:ident) => {
        Default::default()
    };
}

macro_rules! field_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $json:literal) => {
        $json
    };
}

macro_rules! field_label {
    (required) => {
        $crate::message::Label::Required
    };
    (default) => {
        $crate::message::Label::Optional
    };
    (optional) => {
        $crate::message::Label::Optional
    };
    (boxed) => {
        $crate::message::Label::Optional
    };
    (repeated) => {
        $crate::message::Label::Repeated
    };
    (listed) => {
        $crate::message::Label::Repeated
    };
    (map) => {
        $crate::message::Label::Map
    };
}

macro_rules! field_read {
    (required) => {
        $crate::message::read_required
    };
    (default) => {
        $crate::message::read_default
    };
    (optional) => {
        $crate::message::read_optional
    };
    (boxed) => {
        $crate::message::read_boxed
    };
    (repeated) => {
        $crate::message::read_repeated
    };
    (listed) => {
        $crate::message::read_repeated
    };
    (map) => {
        $crate::message::read_map
    };
}

macro_rules! field_write {
    (required $map:ident $value:expr, $name:expr) => {
        $map.serialize_entry($name, &$crate::message::AsJson(&$value))?
    };
    (default $map:ident $value:expr, $name:expr) => {
        $map.serialize_entry($name, &$crate::message::AsJson(&$value))?
    };
    (optional $map:ident $value:expr, $name:expr) => {
        if let Some(value) = &$value {
            $map.serialize_entry($name, &$crate::message::AsJson(value))?;
        }
    };
    (boxed $map:ident $value:expr, $name:expr) => {
        if let Some(value) = &$value {
            $map.serialize_entry($name, &$crate::message::AsJson(&**value))?;
        }
    };
    (repeated $map:ident $value:expr, $name:expr) => {
        if !$value.is_empty() {
            $map.serialize_entry($name, &$crate::message::AsList(&$value))?;
        }
    };
    (listed $map:ident $value:expr, $name:expr) => {
        $map.serialize_entry($name, &$crate::message::AsList(&$value))?
    };
    (map $map:ident $value:expr, $name:expr) => {
        if !$value.is_empty() {
            $map.serialize_entry($name, &$crate::message::AsMap(&$value))?;
        }
    };
}

pub(crate) use {
    enumeration, field_default, field_label, field_name, field_read, field_type, field_write,
    message,
};

//! How exactly products are computed.

use std::fmt;
use std::str::FromStr;

/// How exactly quantized weights meet the values they are multiplied with.
/// Weights in floating point take them as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Values rounded to 8 bits, 32 to a scale, as llama.cpp does, but for
    /// those that logits are computed from: the fastest.
    #[default]
    Int8,
    /// What rounding to 8 bits leaves is rounded to 8 bits more and multiplied
    /// too: about the result of 32-bit floats, at half the speed.
    Int16,
}

impl Precision {
    /// Rows of bytes that a token takes.
    pub(super) fn rows(self) -> usize {
        match self {
            Self::Int8 => 1,
            Self::Int16 => 2,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int8 => "int8",
            Self::Int16 => "int16",
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "int8" => Ok(Self::Int8),
            "int16" => Ok(Self::Int16),
            _ => Err(format!("'{name}' is neither int8 nor int16")),
        }
    }
}

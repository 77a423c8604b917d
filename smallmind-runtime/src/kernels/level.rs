//! The instruction sets that there are kernels for.

use super::table::Kernels;
use std::fmt;
use std::str::FromStr;

/// An instruction set that there are kernels for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Plain Rust, for any CPU.
    Scalar,
    /// NEON, which every 64-bit ARM has.
    Neon,
    /// NEON and the dot products of ARMv8.2.
    Dotprod,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, VL, DQ and VNNI.
    Avx512,
}

impl Level {
    /// All levels, the fastest of each architecture last.
    pub const ALL: [Self; 5] = [Self::Scalar, Self::Neon, Self::Dotprod, Self::Avx2, Self::Avx512];

    /// The name that `SMALLMIND_KERNELS` takes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Neon => "neon",
            Self::Dotprod => "dotprod",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this CPU has it.
    pub fn is_available(self) -> bool {
        Kernels::new(self).is_some()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|l| l.as_str() == name).ok_or(())
    }
}

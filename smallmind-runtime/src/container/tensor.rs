//! What a file says about a tensor.

use std::fmt;

macro_rules! tensor_types {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $block:literal, $bytes:literal;)*) => {
        /// Every type of ggml, with the number it has in files.
        ///
        /// Source: `enum ggml_type` in ggml's `ggml.h`.
        ///
        /// ```
        /// use smallmind_runtime::container::TensorType;
        ///
        /// let t = TensorType::from_id(12).unwrap();
        /// assert_eq!((t.name(), t.block_size(), t.type_size()), ("Q4_K", 256, 144));
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(non_camel_case_types, missing_docs, reason = "the names of ggml's types")]
        #[repr(u32)]
        pub enum TensorType {
            $($name = $id,)*
        }

        impl TensorType {
            /// All types, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name, as ggml writes it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// Elements in a block.
            pub const fn block_size(self) -> u64 {
                match self { $(Self::$name => $block,)* }
            }

            /// Bytes of a block.
            pub const fn type_size(self) -> u64 {
                match self { $(Self::$name => $bytes,)* }
            }
        }
    };
}

tensor_types! {
    F32 = 0, 1, 4;
    F16 = 1, 1, 2;
    Q4_0 = 2, 32, 18;
    Q4_1 = 3, 32, 20;
    Q5_0 = 6, 32, 22;
    Q5_1 = 7, 32, 24;
    Q8_0 = 8, 32, 34;
    Q8_1 = 9, 32, 36;
    Q2_K = 10, 256, 84;
    Q3_K = 11, 256, 110;
    Q4_K = 12, 256, 144;
    Q5_K = 13, 256, 176;
    Q6_K = 14, 256, 210;
    Q8_K = 15, 256, 292;
    IQ2_XXS = 16, 256, 66;
    IQ2_XS = 17, 256, 74;
    IQ3_XXS = 18, 256, 98;
    IQ1_S = 19, 256, 50;
    IQ4_NL = 20, 32, 18;
    IQ3_S = 21, 256, 110;
    IQ2_S = 22, 256, 82;
    IQ4_XS = 23, 256, 136;
    I8 = 24, 1, 1;
    I16 = 25, 1, 2;
    I32 = 26, 1, 4;
    I64 = 27, 1, 8;
    F64 = 28, 1, 8;
    IQ1_M = 29, 256, 56;
    BF16 = 30, 1, 2;
    TQ1_0 = 34, 256, 54;
    TQ2_0 = 35, 256, 66;
    MXFP4 = 39, 32, 17;
    NVFP4 = 40, 64, 36;
    Q1_0 = 41, 128, 18;
    Q2_0 = 42, 64, 18;
}

/// Types that files once had and that nothing reads any more.
const REMOVED: [(u32, &str); 8] = [
    (4, "Q4_2"),
    (5, "Q4_3"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (36, "IQ4_NL_4_4"),
    (37, "IQ4_NL_4_8"),
    (38, "IQ4_NL_8_8"),
];

impl TensorType {
    /// The type with a number, where there is one.
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|t| *t as u32 == id)
    }

    /// What to call a number that is no type.
    pub(super) fn describe_unknown(id: u32) -> String {
        match REMOVED.iter().find(|(removed, _)| *removed == id) {
            Some((_, name)) => format!("type {id} ({name}, removed from ggml: quantize again)"),
            None => format!("type {id}"),
        }
    }

    /// Bytes of a tensor of some shape; `None` where rows are not whole
    /// blocks, or the size is more than a `u64`.
    pub fn byte_len(self, shape: Shape) -> Option<u64> {
        let row = shape.dims()[0];
        let blocks = shape.elements()? / self.block_size();
        row.is_multiple_of(self.block_size()).then_some(())?;
        blocks.checked_mul(self.type_size())
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The dimensions of a tensor in ggml's order: the first is contiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [u64; Self::MAX_DIMS],
    count: usize,
}

impl Shape {
    /// The most dimensions a tensor has.
    pub const MAX_DIMS: usize = 4;

    /// A shape of one to four dimensions, none of them zero.
    ///
    /// ```
    /// use smallmind_runtime::container::Shape;
    ///
    /// assert_eq!(Shape::new(&[64, 2]).unwrap().elements(), Some(128));
    /// assert!(Shape::new(&[]).is_none());
    /// ```
    pub fn new(dims: &[u64]) -> Option<Self> {
        if dims.is_empty() || dims.len() > Self::MAX_DIMS || dims.contains(&0) {
            return None;
        }
        let mut all = [1; Self::MAX_DIMS];
        all[..dims.len()].copy_from_slice(dims);
        Some(Self { dims: all, count: dims.len() })
    }

    /// The dimensions.
    pub fn dims(&self) -> &[u64] {
        &self.dims[..self.count]
    }

    /// The product of the dimensions, where a `u64` holds it.
    pub fn elements(&self) -> Option<u64> {
        self.dims.iter().try_fold(1u64, |n, d| n.checked_mul(*d))
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.dims(), f)
    }
}

/// Name, shape, type and place of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// The name, unique among the tensors of a model.
    pub name: String,
    /// The dimensions, the contiguous one first.
    pub shape: Shape,
    /// How elements are held.
    pub tensor_type: TensorType,
    /// Bytes of data.
    pub byte_len: u64,
    /// Where the data begins in its file.
    pub offset: u64,
    /// Which file of a split model holds it, from 0.
    pub split: usize,
    /// How the data lies.
    pub storage: Storage,
    /// The CRC-32 of the data, in files that have it.
    pub checksum: Option<u32>,
}

/// How the data of a tensor lies in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// In ggml's blocks, row by row.
    Blocks,
    /// In the panels that kernels read.
    Panels,
}

/// A tensor and its bytes, in the mapped file.
#[derive(Debug, Clone, Copy)]
pub struct TensorView<'a> {
    /// What the file says of it.
    pub info: &'a TensorInfo,
    /// Its data, `info.byte_len` bytes.
    pub data: &'a [u8],
}

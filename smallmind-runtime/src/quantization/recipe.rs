//! Which type each tensor of a model takes.
//!
//! Some tensors do more harm than others when they are coarse: the values of
//! attention, the way down out of the feed-forward part, the output. The mixes
//! known by names as `Q4_K_M` hold these finer, and are here as llama.cpp has
//! them (`llama_tensor_get_type_impl` in its `llama-quant.cpp`), so that a name
//! means the same in both.

use crate::Error;
use crate::container::{ModelFile, TensorInfo, TensorType};

/// A named choice of types.
///
/// ```
/// use smallmind_runtime::quantization::Recipe;
///
/// assert_eq!(Recipe::named("q4_k_m").unwrap().name(), "Q4_K_M");
/// assert!(Recipe::named("Q9").is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    name: &'static str,
    file_type: u32,
    base: TensorType,
}

const fn recipe(name: &'static str, file_type: u32, base: TensorType) -> Recipe {
    Recipe { name, file_type, base }
}

impl Recipe {
    /// All recipes, the coarsest last.
    pub const ALL: [Self; 19] = [
        recipe("F32", 0, TensorType::F32),
        recipe("F16", 1, TensorType::F16),
        recipe("BF16", 32, TensorType::BF16),
        recipe("Q8_0", 7, TensorType::Q8_0),
        recipe("Q6_K", 18, TensorType::Q6_K),
        recipe("Q5_K_M", 17, TensorType::Q5_K),
        recipe("Q5_K_S", 16, TensorType::Q5_K),
        recipe("Q5_1", 9, TensorType::Q5_1),
        recipe("Q5_0", 8, TensorType::Q5_0),
        recipe("Q4_K_M", 15, TensorType::Q4_K),
        recipe("Q4_K_S", 14, TensorType::Q4_K),
        recipe("Q4_1", 3, TensorType::Q4_1),
        recipe("Q4_0", 2, TensorType::Q4_0),
        recipe("IQ4_NL", 25, TensorType::IQ4_NL),
        recipe("IQ4_XS", 30, TensorType::IQ4_XS),
        recipe("Q3_K_L", 13, TensorType::Q3_K),
        recipe("Q3_K_M", 12, TensorType::Q3_K),
        recipe("Q3_K_S", 11, TensorType::Q3_K),
        recipe("Q2_K", 10, TensorType::Q2_K),
    ];

    /// The recipe of a name, in capitals or not.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.name.eq_ignore_ascii_case(name))
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What `general.file_type` calls it.
    pub fn file_type(&self) -> u32 {
        self.file_type
    }

    /// The type that a tensor of a model takes.
    ///
    /// # Errors
    /// [`Error::Metadata`] where the model does not say how many layers it has.
    pub fn tensor_type(&self, model: &ModelFile, tensor: &TensorInfo) -> Result<TensorType, Error> {
        if !is_matrix_of_weights(tensor) {
            return Ok(tensor.tensor_type);
        }
        let wanted = if !self.base_is_float() { self.mix(model, &tensor.name)? } else { self.base };
        Ok(fitting(wanted, tensor.shape.dims()[0]))
    }

    fn base_is_float(&self) -> bool {
        self.base.block_size() == 1
    }

    fn mix(&self, model: &ModelFile, name: &str) -> Result<TensorType, Error> {
        use TensorType::{Q6_K, Q8_0};
        let architecture: &str = model.metadata().get("general.architecture")?;
        let tied = model.find_tensor("output.weight").is_none();
        if name == "output.weight" || tied && name == "token_embd.weight" {
            let fine = self.base == Q8_0 || architecture == "falcon";
            return Ok(if fine { Q8_0 } else { Q6_K });
        }
        let Some((layer, part)) = layer_and_part(name) else { return Ok(self.base) };
        let number = |key: &str| model.metadata().get::<usize>(&format!("{architecture}.{key}"));
        let layers = number("block_count")?;
        // Where heads share keys and values, these are small and matter more.
        let shared = match (number("attention.head_count"), number("attention.head_count_kv")) {
            (Ok(heads), Ok(kv)) => kv > 0 && heads / kv >= 4,
            _ => false,
        };
        let layer = Layer { index: layer, of: layers, shared };
        let chosen = match (architecture, number("expert_count").ok()) {
            (_, Some(8)) => self.among_eight_experts(part).or_else(|| self.of_layer(&layer, part)),
            ("falcon", _) => self.in_falcon(&layer, part),
            _ => self.of_layer(&layer, part),
        };
        Ok(chosen.unwrap_or(self.base))
    }

    /// What a layer holds in another type than the base.
    fn of_layer(&self, layer: &Layer, part: &str) -> Option<TensorType> {
        use TensorType::{Q3_K, Q4_K, Q5_K, Q6_K};
        Some(match (self.name, part) {
            ("Q5_K_M" | "Q4_K_M", "attn_v" | "ffn_down") if layer.is_finer() => Q6_K,
            ("Q4_K_S", "attn_v") if layer.index < 4 => Q5_K,
            ("Q4_K_S", "ffn_down") if layer.is_first(8) => Q5_K,
            ("IQ4_NL" | "IQ4_XS", "attn_v") if layer.shared => Q5_K,
            ("IQ4_NL" | "IQ4_XS", "ffn_down") if layer.is_first(8) => Q5_K,
            ("Q3_K_L", "attn_v" | "ffn_down" | "attn_output") => Q5_K,
            ("Q3_K_M", "attn_v") if layer.index < 2 => Q5_K,
            ("Q3_K_M", "ffn_down") if layer.is_first(16) => Q5_K,
            ("Q3_K_M", "attn_v" | "ffn_down" | "attn_output") => Q4_K,
            ("Q2_K", "attn_v") if layer.shared => Q4_K,
            ("Q2_K", "attn_v" | "ffn_down" | "attn_output") => Q3_K,
            _ => return None,
        })
    }

    /// Where experts take most of the room, attention is cheap to hold finer.
    fn among_eight_experts(&self, part: &str) -> Option<TensorType> {
        const FINER: [&str; 7] =
            ["Q2_K", "Q3_K_S", "Q3_K_M", "IQ4_NL", "IQ4_XS", "Q4_K_S", "Q4_K_M"];
        match part {
            "attn_v" | "attn_k" => Some(TensorType::Q8_0),
            "attn_output" if FINER.contains(&self.name) => Some(TensorType::Q5_K),
            "attn_output" => Some(self.base),
            _ => None,
        }
    }

    fn in_falcon(&self, layer: &Layer, part: &str) -> Option<TensorType> {
        use TensorType::{Q3_K, Q4_K, Q5_K, Q6_K};
        Some(match (self.name, part) {
            ("Q4_K_M", "ffn_down") if layer.is_first(16) => Q6_K,
            ("Q4_K_M", "ffn_down") if layer.is_finer() => Q5_K,
            ("Q3_K_M", "ffn_down") if layer.is_first(16) => Q5_K,
            ("Q3_K_M", "ffn_down") if !layer.is_finer() => Q3_K,
            ("Q3_K_L", "ffn_down" | "attn_output") => Q4_K,
            ("Q4_K_M" | "Q4_K_S", "ffn_down") => self.base,
            (_, "attn_output") => self.base,
            _ => return self.of_layer(layer, part),
        })
    }
}

/// Which of how many layers a tensor is in, and whether its heads share keys
/// and values.
struct Layer {
    index: usize,
    of: usize,
    shared: bool,
}

impl Layer {
    /// Whether it is in the first `1 / parts` of all.
    fn is_first(&self, parts: usize) -> bool {
        self.index < self.of / parts
    }

    /// Whether the mixes called `M` hold it finer.
    fn is_finer(&self) -> bool {
        let eighth = self.of / 8;
        self.is_first(8) || self.index >= 7 * self.of / 8 || (self.index - eighth) % 3 == 2
    }
}

/// `blk.3.ffn_down.weight` to `(3, "ffn_down")`. Experts are as what they are
/// the experts of, and a matrix that holds the values of attention too is as
/// these.
fn layer_and_part(name: &str) -> Option<(usize, &str)> {
    let (layer, part) = name.strip_prefix("blk.")?.split_once('.')?;
    let part = part.strip_suffix(".weight")?;
    let part = part.strip_suffix("_exps").or(part.strip_suffix("_shexp")).unwrap_or(part);
    let part = if part == "attn_qkv" { "attn_v" } else { part };
    Some((layer.parse().ok()?, part))
}

/// Whether a tensor is quantized at all: what is small stays as it is, and so
/// does what gates experts or is looked up by place.
fn is_matrix_of_weights(tensor: &TensorInfo) -> bool {
    const KEPT: [&str; 4] =
        ["_norm.weight", "ffn_gate_inp.weight", "position_embd.weight", "token_types.weight"];
    let name = &tensor.name;
    tensor.shape.dims().iter().skip(1).any(|d| *d > 1)
        && name.ends_with("weight")
        && !KEPT.iter().any(|kept| name.ends_with(kept))
}

/// The type itself, or where rows are not whole blocks, one that is near.
fn fitting(wanted: TensorType, row: u64) -> TensorType {
    let fits = |t: TensorType| row.is_multiple_of(t.block_size());
    let near = match wanted {
        wanted if fits(wanted) => return wanted,
        TensorType::IQ4_XS => TensorType::IQ4_NL,
        TensorType::Q2_K | TensorType::Q3_K => TensorType::Q4_0,
        TensorType::Q4_K => TensorType::Q5_0,
        TensorType::Q5_K => TensorType::Q5_1,
        TensorType::Q6_K => TensorType::Q8_0,
        _ => TensorType::F16,
    };
    if fits(near) { near } else { TensorType::F16 }
}

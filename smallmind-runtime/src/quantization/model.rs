//! A whole model to other types.

use super::{Recipe, dequantize, quantize};
use crate::Error;
use crate::container::{GgufWriter, ModelFile, Shape, Storage, TensorType, TensorView, replace};
use smallmind_abstractions::{CancellationToken, MetadataValue};
use std::io::{self, Write};
use std::path::Path;

/// Weights that are floats at a time.
const PIECE: usize = 4 << 20;
/// The version of the block formats, which files name.
const FORMATS_VERSION: u32 = 2;

/// What became of a tensor.
#[derive(Debug, Clone)]
pub struct TensorReport<'a> {
    /// The name.
    pub name: &'a str,
    /// The dimensions.
    pub shape: Shape,
    /// The type it had.
    pub from: TensorType,
    /// The type it has.
    pub to: TensorType,
    /// Bytes it has.
    pub byte_len: u64,
    /// The root of the mean squared error over that of the weights; zero for a
    /// tensor that is as it was.
    pub error: f64,
}

/// Writes a GGUF file with a model's tensors in the types of a recipe, and
/// everything else as it is. `progress` hears of each tensor that is done.
///
/// # Errors
/// What [`quantize`] and [`dequantize`] say, [`Error::Damaged`] where weights
/// are no finite numbers, [`Error::File`], and [`Error::Metadata`] where the model does not say how many layers it has.
/// After an error there is no file, or the one that was there before.
pub fn quantize_model(
    model: &ModelFile,
    recipe: Recipe,
    to: &Path,
    progress: &mut dyn FnMut(TensorReport<'_>),
    cancel: &CancellationToken,
) -> Result<(), Error> {
    let mut metadata = model.metadata().clone();
    for key in ["split.no", "split.count", "split.tensors.count"] {
        metadata.remove(key);
    }
    metadata.insert("general.file_type", MetadataValue::U32(recipe.file_type()));
    metadata.insert("general.quantization_version", MetadataValue::U32(FORMATS_VERSION));
    let mut writer = GgufWriter::new(metadata);
    let mut work = Vec::new();
    for info in model.tensors() {
        if info.storage != Storage::Blocks {
            return Err(Error::Unsupported {
                file: model.path().to_owned(),
                what: format!("tensor '{}' lies in panels", info.name.escape_debug()),
                advice: "quantize the GGUF file it was made from".to_owned(),
            });
        }
        let tensor_type = recipe.tensor_type(model, info)?;
        writer.later(&info.name, info.shape, tensor_type);
        work.push((model.tensor(&info.name)?, tensor_type));
    }
    let file = |source| Error::File { file: to.to_owned(), action: "write", source };
    replace(to, |out| {
        let written = writer.write_with(out, |index, out| {
            let (view, tensor_type) = work[index];
            let error =
                convert(view, tensor_type, out, cancel).map_err(|f| f.within(model, view))?;
            let byte_len = tensor_type.byte_len(view.info.shape).unwrap_or_default();
            let (name, shape, from) = (&view.info.name, view.info.shape, view.info.tensor_type);
            progress(TensorReport { name, shape, from, to: tensor_type, byte_len, error });
            Ok(())
        });
        written.map_err(|failure| match failure {
            Failure::Write(source) => file(source),
            Failure::Convert(error) => error,
        })
    })
}

/// What ends the writing.
enum Failure {
    Write(io::Error),
    Convert(Error),
}

impl Failure {
    /// Names the tensor whose weights are no numbers.
    fn within(self, model: &ModelFile, view: TensorView<'_>) -> Self {
        match self {
            Self::Convert(error @ Error::NotFinite { .. }) => Self::Convert(Error::Damaged {
                file: model.path().to_owned(),
                what: format!("data of tensor '{}'", view.info.name.escape_debug()),
                offset: view.info.offset,
                expected: "finite weights".to_owned(),
                found: error.to_string(),
            }),
            other => other,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(source: io::Error) -> Self {
        Self::Write(source)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Convert(error)
    }
}

/// Writes a tensor in another type, and returns its relative error.
fn convert(
    view: TensorView<'_>,
    to: TensorType,
    out: &mut dyn Write,
    cancel: &CancellationToken,
) -> Result<f64, Failure> {
    let from = view.info.tensor_type;
    if from == to {
        cancel.check().map_err(Error::from)?;
        out.write_all(view.data)?;
        return Ok(0.0);
    }
    let bytes = PIECE / from.block_size() as usize * from.type_size() as usize;
    let (mut off, mut all) = (0.0, 0.0);
    let (mut weights, mut back) = (Vec::new(), Vec::new());
    for piece in view.data.chunks(bytes) {
        let len = piece.len() / from.type_size() as usize * from.block_size() as usize;
        weights.resize(len, 0.0);
        back.resize(len, 0.0);
        dequantize(from, piece, &mut weights, cancel)?;
        let blocks = quantize(to, &weights, cancel)?;
        out.write_all(&blocks)?;
        dequantize(to, &blocks, &mut back, cancel)?;
        for (w, b) in weights.iter().zip(&back) {
            off += f64::from(w - b).powi(2);
            all += f64::from(*w).powi(2);
        }
    }
    Ok(if all > 0.0 { (off / all).sqrt() } else { 0.0 })
}

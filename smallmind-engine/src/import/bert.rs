//! What `BertModel` of transformers calls things, and what GGUF does.

use super::folder::Folder;
use crate::Error;
use serde_json::Value;
use smallmind_abstractions::{Metadata, MetadataValue};

const CONFIG: &str = "config.json";

/// Adds what `config.json` and `modules.json` say of a model to its metadata.
pub(super) fn numbers(folder: &Folder<'_>, metadata: &mut Metadata) -> Result<(), Error> {
    let config = folder.json(CONFIG)?;
    for (key, only) in
        [("model_type", "bert"), ("hidden_act", "gelu"), ("position_embedding_type", "absolute")]
    {
        let found = &config[key];
        let absent = found.is_null() && key == "position_embedding_type";
        if !absent && *found != only {
            return Err(folder.wrong(CONFIG, format!("{key} is {found}, where '{only}' is read")));
        }
    }
    metadata.insert("general.architecture", MetadataValue::String("bert".into()));
    metadata.insert("general.name", MetadataValue::String(folder.name()));
    for (theirs, ours) in [
        ("hidden_size", "bert.embedding_length"),
        ("intermediate_size", "bert.feed_forward_length"),
        ("num_hidden_layers", "bert.block_count"),
        ("num_attention_heads", "bert.attention.head_count"),
        ("type_vocab_size", "tokenizer.ggml.token_type_count"),
    ] {
        metadata.insert(ours, MetadataValue::U32(number(folder, &config, theirs)?));
    }
    metadata.insert("bert.context_length", MetadataValue::U32(positions(folder)?));
    let epsilon = config["layer_norm_eps"].as_f64().unwrap_or(1e-12) as f32;
    metadata.insert("bert.attention.layer_norm_epsilon", MetadataValue::F32(epsilon));
    metadata.insert("bert.attention.causal", MetadataValue::Bool(false));
    if let Some(pooling) = pooling(folder)? {
        metadata.insert("bert.pooling_type", MetadataValue::U32(pooling));
    }
    Ok(())
}

/// Positions that the model of `config.json` has and texts are cut at: those of
/// `sentence_bert_config.json`, where it names fewer.
pub(super) fn positions(folder: &Folder<'_>) -> Result<u32, Error> {
    const SENTENCES: &str = "sentence_bert_config.json";
    const LENGTH: &str = "max_seq_length";
    let all = number(folder, &folder.json(CONFIG)?, "max_position_embeddings")?;
    let Some(config) = folder.optional_json(SENTENCES)? else { return Ok(all) };
    match &config[LENGTH] {
        Value::Null => Ok(all),
        length => match length.as_u64() {
            Some(length @ 1..) => Ok(u32::try_from(length).unwrap_or(u32::MAX).min(all)),
            _ => Err(folder.wrong(SENTENCES, format!("{LENGTH} is {length}, no length"))),
        },
    }
}

fn number(folder: &Folder<'_>, config: &Value, key: &str) -> Result<u32, Error> {
    let found = config[key].as_u64().and_then(|n| u32::try_from(n).ok());
    found.ok_or_else(|| folder.wrong(CONFIG, format!("{key} is {}, no number", config[key])))
}

/// The number that GGUF has for what `modules.json` makes of tokens' vectors.
fn pooling(folder: &Folder<'_>) -> Result<Option<u32>, Error> {
    const MODULES: &str = "modules.json";
    let Some(modules) = folder.optional_json(MODULES)? else { return Ok(None) };
    let mut pooling = None;
    for module in modules.as_array().into_iter().flatten() {
        let kind = module["type"].as_str().unwrap_or_default();
        match kind.rsplit('.').next() {
            Some("Transformer" | "Normalize") => {}
            Some("Pooling") => {
                let path = module["path"].as_str().unwrap_or("1_Pooling");
                let file = format!("{path}/{CONFIG}");
                let how = folder.json(&file)?;
                pooling = Some(way(&how).ok_or_else(|| {
                    folder.wrong(&file, "asks for another pooling than of the mean or of [CLS]")
                })?);
            }
            _ => {
                let reason = format!("module '{}' is not computed", kind.escape_debug());
                return Err(folder.wrong(MODULES, reason));
            }
        }
    }
    Ok(pooling)
}

fn way(config: &Value) -> Option<u32> {
    let ways = config.as_object()?.iter();
    let mut wanted = ways.filter(|(key, on)| key.starts_with("pooling_mode_") && **on == true);
    match (wanted.next()?.0.as_str(), wanted.next()) {
        ("pooling_mode_mean_tokens", None) => Some(1),
        ("pooling_mode_cls_token", None) => Some(2),
        _ => None,
    }
}

/// The name of a tensor in GGUF; within, nothing for one that embeddings do
/// without. `None` for a tensor that no BERT has.
pub(super) fn tensor_name(name: &str) -> Option<Option<String>> {
    let name = name.strip_prefix("bert.").unwrap_or(name);
    let unused =
        ["embeddings.position_ids", "pooler.", "cls.predictions.", "cls.seq_relationship."];
    if unused.iter().any(|start| name.starts_with(start)) {
        return Some(None);
    }
    let (stem, kind) = name.rsplit_once('.')?;
    if !matches!(kind, "weight" | "bias") {
        return None;
    }
    let ours = match stem.strip_prefix("encoder.layer.") {
        Some(rest) => {
            let (layer, part) = rest.split_once('.')?;
            format!("blk.{}.{}", layer.parse::<u32>().ok()?, layer_part(part)?)
        }
        None => embedding(stem)?.to_owned(),
    };
    Some(Some(format!("{ours}.{kind}")))
}

/// The rows of what is looked up by position.
pub(super) const POSITIONS: &str = "position_embd.weight";

fn embedding(stem: &str) -> Option<&'static str> {
    Some(match stem {
        "embeddings.word_embeddings" => "token_embd",
        "embeddings.position_embeddings" => "position_embd",
        "embeddings.token_type_embeddings" => "token_types",
        "embeddings.LayerNorm" => "token_embd_norm",
        _ => return None,
    })
}

fn layer_part(part: &str) -> Option<&'static str> {
    Some(match part {
        "attention.self.query" => "attn_q",
        "attention.self.key" => "attn_k",
        "attention.self.value" => "attn_v",
        "attention.output.dense" => "attn_output",
        "attention.output.LayerNorm" => "attn_output_norm",
        "intermediate.dense" => "ffn_up",
        "output.dense" => "ffn_down",
        "output.LayerNorm" => "layer_output_norm",
        _ => return None,
    })
}

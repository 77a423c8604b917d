//! Answers as Rust values.

use crate::{Error, InferenceSession};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use smallmind_abstractions::{CancellationToken, Constraint, GenerationRequest};

impl InferenceSession {
    /// Generates a value: the text is constrained to the JSON Schema of `T`.
    ///
    /// ```no_run
    /// use schemars::JsonSchema;
    /// use serde::Deserialize;
    /// use smallmind_abstractions::{CancellationToken, GenerationRequest};
    /// # use smallmind_engine::InferenceSession;
    ///
    /// #[derive(Deserialize, JsonSchema)]
    /// struct City {
    ///     name: String,
    ///     inhabitants: u32,
    /// }
    ///
    /// # fn ask(session: &InferenceSession) -> Result<(), smallmind_engine::Error> {
    /// let request = GenerationRequest::new("The capital of France, as JSON: ");
    /// let city: City = session.generate_as(&request, &CancellationToken::new())?;
    /// println!("{} has {}", city.name, city.inhabitants);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`generate`](Self::generate); [`Error::NotTheType`] where the text
    /// ended too early, with what there is.
    pub fn generate_as<T: DeserializeOwned + JsonSchema>(
        &self,
        request: &GenerationRequest,
        cancel: &CancellationToken,
    ) -> Result<T, Error> {
        let schema = schemars::schema_for!(T);
        let mut request = request.clone();
        request.options.constraint = Some(Constraint::JsonSchema(schema.as_value().to_string()));
        request.options.echo = false;
        let result = self.generate(&request, cancel)?;
        serde_json::from_str(&result.text).map_err(|error| Error::NotTheType {
            reason: error.to_string(),
            partial: Box::new(result),
        })
    }
}

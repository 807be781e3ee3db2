//! What can be wrong with a model or a set of families.

/// Why a model or a set of families cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NluError {
    /// The bytes are no model, or end too soon.
    #[error("this is no model of intents, or a damaged one ({0}); make one with 'tipring train intent'")]
    Model(&'static str),
    /// The model was made for labels that are not those of the taxonomy.
    #[error(
        "the model knows the label '{0}', which is no action; make it again with 'tipring train intent --telesales'"
    )]
    Label(String),
    /// The families are not TOML of the expected form.
    #[error("the families cannot be read: {0}")]
    Families(String),
    /// There is nothing to learn from.
    #[error("there is nothing to learn from: {0}")]
    TooLittle(&'static str),
}

//! What the house knows about its products: a folder of Markdown and CSV facts. A question in, passages out.
//!
//! | module | holds |
//! |---|---|
//! | `fact` | one fact and its keys: what is said of it, how it is asked for, language, product, validity |
//! | `markdown`, `table` | the two kinds of files, every mistake named with file and line |
//! | `terms` | text as search terms, English and Chinese |
//! | `index` | BM25 over the terms, and how sure the best passage is |
//! | `desk` | the facts as a call asks them: of one language, one product and today |
//!
//! Files are read once, at the start. Searching reads no file, has no lock and takes some tens of microseconds.

mod desk;
mod error;
mod fact;
mod index;
mod markdown;
mod table;
mod terms;

pub use desk::Desk;
pub use error::{KnowledgeError, Mistake};
pub use fact::Fact;
pub use index::{Hit, Knowledge, Wanted};

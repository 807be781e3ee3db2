//! Calls of tools, put together from the pieces in which they are streamed.

use crate::speech::Reply;
use serde_json::Value;

/// Most calls in one answer.
const MAX_CALLS: usize = 16;
/// Most bytes of the arguments of one call.
const MAX_ARGUMENTS: usize = 64 << 10;

/// A piece of a call, as far as the server gives it.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Fragment {
    /// Which call it belongs to; some servers leave it out.
    pub index: Option<u64>,
    /// The call's name.
    pub id: String,
    /// The tool.
    pub name: String,
    /// A piece of JSON text; some servers give an object instead, and all of it at once.
    pub arguments: String,
}

impl Fragment {
    /// The pieces in a delta or a message; the old single `function_call` counts as one of them.
    pub fn all(delta: &Value) -> Vec<Self> {
        let calls = delta["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut all: Vec<_> = calls
            .iter()
            .take(MAX_CALLS)
            .map(|call| Self {
                index: call["index"].as_u64(),
                id: text(&call["id"]),
                name: text(&call["function"]["name"]),
                arguments: arguments(&call["function"]["arguments"]),
            })
            .collect();
        let old = &delta["function_call"];
        if old.is_object() {
            let (name, arguments) = (text(&old["name"]), arguments(&old["arguments"]));
            all.push(Self { index: Some(0), id: String::new(), name, arguments });
        }
        all
    }
}

fn arguments(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The calls of one answer so far.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct ToolCalls(Vec<Fragment>);

impl ToolCalls {
    /// Adds pieces.
    ///
    /// # Errors
    /// What is wrong when there are too many calls or a call is too long.
    pub fn take(&mut self, pieces: Vec<Fragment>) -> Result<(), String> {
        for piece in pieces {
            let known = self.0.iter().position(|call| match piece.index {
                Some(index) => call.index == Some(index),
                None => !piece.id.is_empty() && call.id == piece.id,
            });
            // Without a number: a piece without a name goes on with the last call.
            let known = known.or_else(|| {
                (piece.index.is_none() && piece.id.is_empty() && piece.name.is_empty())
                    .then_some(self.0.len())?
                    .checked_sub(1)
            });
            let Some(call) = known.and_then(|at| self.0.get_mut(at)) else {
                if self.0.len() >= MAX_CALLS {
                    return Err(format!("the answer calls more than {MAX_CALLS} tools"));
                }
                self.0.push(piece);
                continue;
            };
            if call.id.is_empty() {
                call.id = piece.id;
            }
            // Some repeat the name with every piece, some stream it.
            if call.name != piece.name {
                call.name.push_str(&piece.name);
            }
            call.arguments.push_str(&piece.arguments);
            if call.arguments.len() > MAX_ARGUMENTS || call.name.len() > MAX_ARGUMENTS {
                return Err(format!("a call of a tool is longer than {MAX_ARGUMENTS} bytes"));
            }
        }
        Ok(())
    }

    /// The whole calls.
    ///
    /// # Errors
    /// What is wrong with one that names no tool or whose arguments are no JSON object. The arguments are not repeated.
    pub fn finish(self) -> Result<Vec<Reply>, String> {
        let whole = |(n, call): (usize, Fragment)| {
            let text = if call.arguments.trim().is_empty() { "{}" } else { call.arguments.as_str() };
            let arguments: Value = serde_json::from_str(text)
                .ok()
                .filter(Value::is_object)
                .ok_or("the server called a tool with arguments that are no JSON object")?;
            if call.name.is_empty() {
                return Err("the server called a tool without a name".to_owned());
            }
            let id = if call.id.is_empty() { format!("call_{n}") } else { call.id };
            Ok(Reply::ToolCall { id, name: call.name, arguments })
        };
        self.0.into_iter().enumerate().map(whole).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn assembled(deltas: &[Value]) -> Result<Vec<Reply>, String> {
        let mut calls = ToolCalls::default();
        for delta in deltas {
            calls.take(Fragment::all(delta))?;
        }
        calls.finish()
    }

    fn call(id: &str, name: &str, arguments: Value) -> Reply {
        Reply::ToolCall { id: id.into(), name: name.into(), arguments }
    }

    #[test]
    fn pieces_become_calls() {
        let deltas = [
            json!({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "book", "arguments": ""}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"day\":"}}]}),
            json!({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "note", "arguments": "{}"}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "\"Monday\"}"}}]}),
        ];
        let expected = [call("a", "book", json!({"day": "Monday"})), call("b", "note", json!({}))];
        assert_eq!(assembled(&deltas).unwrap(), expected);
    }

    #[test]
    fn servers_that_differ_are_understood() {
        for deltas in [
            // No number, the id only once; arguments as an object; the name with every piece; the old form.
            vec![
                json!({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{\"x\""}}]}),
                json!({"tool_calls": [{"function": {"arguments": ":1}"}}]}),
            ],
            vec![json!({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}]})],
            vec![
                json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\""}}]}),
                json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ":1}"}}]}),
            ],
        ] {
            assert_eq!(assembled(&deltas).unwrap(), [call("a", "f", json!({"x": 1}))], "{deltas:?}");
        }
        let old = [json!({"function_call": {"name": "f"}}), json!({"function_call": {"arguments": "{\"x\":1}"}})];
        assert_eq!(assembled(&old).unwrap(), [call("call_0", "f", json!({"x": 1}))]);
        assert_eq!(assembled(&[json!({"content": "hi"}), Value::Null]).unwrap(), []);
    }

    #[test]
    fn what_cannot_be_called_is_an_error_that_repeats_nothing() {
        let secret = json!({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "4111 1111"}}]});
        let error = assembled(&[secret]).unwrap_err();
        assert!(error.contains("no JSON object") && !error.contains("4111"), "{error}");
        assert!(assembled(&[json!({"tool_calls": [{"function": {"arguments": "{}"}}]})]).is_err());
        let many: Vec<_> = (0..20).map(|n| json!({"tool_calls": [{"index": n, "function": {"name": "f"}}]})).collect();
        assert!(assembled(&many).unwrap_err().contains("more than 16"));
    }

    proptest! {
        #[test]
        fn no_pieces_panic(pieces in proptest::collection::vec((any::<Option<u64>>(), "[a-c]{0,2}", "[a-c]{0,2}", "\\PC{0,9}"), 0..30)) {
            let mut calls = ToolCalls::default();
            let pieces = pieces.into_iter().map(|(index, id, name, arguments)| Fragment { index, id, name, arguments });
            if calls.take(pieces.collect()).is_ok() {
                let _ = calls.finish();
            }
        }
    }
}

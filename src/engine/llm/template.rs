//! Engine `template`: says what the flow has ready, at once. The end of every chain that must not fail.

use crate::speech::{ChatRequest, EngineError, LanguageModel, Reply, ReplyStream, Wake};

const NAME: &str = "template";

/// The engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Template;

impl LanguageModel for Template {
    fn name(&self) -> &str {
        NAME
    }

    fn ask(&self, what: &ChatRequest, _wake: Wake) -> Result<Box<dyn ReplyStream>, EngineError> {
        Ok(Box::new(Given { text: Some(what.template.clone()) }))
    }
}

struct Given {
    text: Option<String>,
}

impl ReplyStream for Given {
    fn poll(&mut self) -> Option<Reply> {
        Some(match self.text.take() {
            Some(text) if !text.is_empty() => Reply::Delta(text),
            _ => Reply::Done,
        })
    }

    fn engine(&self) -> Option<&str> {
        Some(NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_flows_answer_at_the_first_poll() {
        let wake = std::task::Waker::noop();
        for (template, expected) in
            [("Of course.", vec![Reply::Delta("Of course.".into()), Reply::Done]), ("", vec![Reply::Done])]
        {
            let what =
                ChatRequest { messages: Vec::new(), template: template.into(), max_tokens: 10, tools: Vec::new() };
            let mut stream = Template.ask(&what, wake.clone()).unwrap();
            for reply in expected {
                assert_eq!(stream.poll(), Some(reply));
            }
        }
    }
}

//! What a flow file says about facts and tools.

use super::reader::Reader;
use crate::agent::leash::{Permits, TOOLS};
use toml::Spanned;

impl Reader {
    /// The allow-list of a state.
    pub fn tools(&mut self, lines: Vec<Spanned<String>>) -> Permits {
        let mut permits = Permits::default();
        for entry in lines {
            let line = self.line(entry.span());
            let text = entry.into_inner();
            let mut words = text.split_whitespace();
            let tool = words.next().unwrap_or_default().to_owned();
            let names: Vec<String> = words.map(str::to_owned).collect();
            match (tool.as_str(), names.is_empty()) {
                ("fill_slot", false) => {
                    for name in names {
                        let values =
                            self.lists.get(&name).map(|list| list.iter().map(|(_, value)| value.clone()).collect());
                        permits.slots.insert(name, values.unwrap_or_default());
                    }
                }
                ("goto", false) => {
                    for name in names {
                        let at = self.target(&name, line);
                        permits.states.insert(name, at);
                    }
                }
                ("fill_slot" | "goto", true) => {
                    self.error(line, format!("'{tool}' of what? Write \"{tool} NAME NAME\""));
                }
                ("offer", true) => permits.offers.extend(self.offers.keys().cloned()),
                ("offer", false) => {
                    for name in names {
                        if !self.offers.contains_key(&name) {
                            self.error(line, format!("there is no offer '{name}': add [offers.{name}]"));
                        }
                        permits.offers.insert(name);
                    }
                }
                ("record_objection", _) => permits.objections.extend(self.objections.keys().cloned()),
                ("schedule_callback", _) => permits.callback = true,
                ("transfer", _) => {
                    permits.transfer = Some(if names.is_empty() { "{operator}".to_owned() } else { names.join(" ") });
                }
                ("end_call", _) => permits.end = true,
                _ => self.error(line, format!("there is no tool '{tool}': use {}", TOOLS.join(", "))),
            }
        }
        permits
    }
}

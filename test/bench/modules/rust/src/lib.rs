//! The same work on the Rust SDK: it takes this project's configuration, as far as the benchmark needs it, and does what
//! a filter written by hand would do. The regexes are compiled once; patterns are tried in order.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use regex::Regex;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::rc::Rc;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::<Root>::default() });
}}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Config {
    patterns: Vec<Pattern>,
    headers: Headers,
}

#[derive(Deserialize)]
struct Pattern {
    r#match: Match,
    rewrite: Rewrite,
}

#[derive(Deserialize)]
struct Match {
    path: Path,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Path {
    Exact(String),
    Prefix(String),
    Regex(String),
}

#[derive(Deserialize)]
struct Rewrite {
    path: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Headers {
    request: Operations,
    response: Operations,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Operations {
    remove: Vec<String>,
    set: BTreeMap<String, String>,
    add: BTreeMap<String, String>,
}

enum Matcher {
    Exact(String),
    Prefix(String),
    Regex(Regex),
}

#[derive(Default)]
struct Rules {
    patterns: Vec<(Matcher, String)>,
    request: Operations,
    response: Operations,
}

impl Rules {
    fn load(data: &[u8]) -> Result<Rules, String> {
        let config: Config = serde_json::from_slice(data).map_err(|e| e.to_string())?;
        let mut rules = Rules {
            patterns: Vec::new(),
            request: config.headers.request,
            response: config.headers.response,
        };
        let text = String::from_utf8_lossy(data);
        for operations in [&mut rules.request, &mut rules.response] {
            for value in operations.set.values_mut() {
                *value = value.replace("${config}", &text);
            }
        }
        for p in config.patterns {
            let matcher = match p.r#match.path {
                Path::Exact(s) => Matcher::Exact(s),
                Path::Prefix(s) => Matcher::Prefix(s),
                Path::Regex(s) => Matcher::Regex(Regex::new(&s).map_err(|e| e.to_string())?),
            };
            rules.patterns.push((matcher, p.rewrite.path));
        }
        Ok(rules)
    }

    fn rewrite(&self, path: &str) -> Option<String> {
        for (matcher, to) in &self.patterns {
            match matcher {
                Matcher::Exact(s) if s == path => return Some(to.clone()),
                Matcher::Prefix(s) => match path.strip_prefix(s.as_str()) {
                    Some("") => return Some(to.clone()),
                    Some(rest) if rest.starts_with('/') => return Some(format!("{to}{rest}")),
                    _ => {}
                },
                Matcher::Regex(re) if re.is_match(path) => {
                    return Some(re.replace_all(path, to.as_str()).into_owned())
                }
                _ => {}
            }
        }
        None
    }
}

#[derive(Default)]
struct Root {
    rules: Rc<Rules>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        match Rules::load(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(rules) => {
                self.rules = Rc::new(rules);
                true
            }
            Err(e) => {
                let _ = proxy_wasm::hostcalls::log(LogLevel::Critical, &e);
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { rules: self.rules.clone() }))
    }
}

struct Stream {
    rules: Rc<Rules>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        if let Some(whole) = self.get_http_request_header(":path") {
            let (path, query) = match whole.find('?') {
                Some(at) => whole.split_at(at),
                None => (whole.as_str(), ""),
            };
            if let Some(mut new) = self.rules.rewrite(path) {
                new.push_str(query);
                if new != whole {
                    self.set_http_request_header(":path", Some(&new));
                }
            }
        }
        let operations = &self.rules.request;
        for name in &operations.remove {
            self.set_http_request_header(name, None);
        }
        for (name, value) in &operations.set {
            self.set_http_request_header(name, Some(value));
        }
        for (name, value) in &operations.add {
            self.add_http_request_header(name, value);
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        let operations = &self.rules.response;
        for name in &operations.remove {
            self.set_http_response_header(name, None);
        }
        for (name, value) in &operations.set {
            self.set_http_response_header(name, Some(value));
        }
        for (name, value) in &operations.add {
            self.add_http_response_header(name, value);
        }
        Action::Continue
    }
}

//! Numbers, words and whatever else stands at the top of a request.

use serde_json::{Map, Number, Value, json};

use super::thinking::Thinking;
use super::{Encoding, refuse};
use crate::fault::Fault;

/// The beta that `speed: fast` needs on some models and does no harm on others.
const FAST_MODE: &str = "fast-mode-2026-02-01";

impl Encoding<'_> {
    /// Refuses what has no likeness here and would change the answer if left out.
    pub(super) fn refuse_unsupported(&self) -> Result<(), Fault> {
        let request = self.request;
        if request.sampling.n.is_some_and(|n| n > 1) {
            return Err(refuse("n", "asks for several answers, which this model's provider does not give."));
        }
        if request.sampling.logprobs {
            let field = self.field("logprobs", "top_logprobs", "logprobs");
            return Err(refuse(
                field,
                "asks for log probabilities, which this model's provider does not give.",
            ));
        }
        for (set, field) in [
            (request.state.previous_id.is_some(), "previous_response_id"),
            (request.state.conversation.is_some(), "conversation"),
        ] {
            if set {
                return Err(refuse(field, "refers to state that this model's provider does not keep."));
            }
        }
        if request.wants_sound() {
            return Err(refuse("modalities", "asks for sound, which this model's provider does not give."));
        }
        Ok(())
    }

    /// Sampling, as far as the model takes it. Returns whether any is sent.
    pub(super) fn sampling(&mut self, thinking: &Thinking, body: &mut Map<String, Value>) -> bool {
        let sampling = &self.request.sampling;
        let one = |number: &Number| number.as_f64() == Some(1.0);
        // One is every model's default, and there not worth a word.
        let temperature = sampling.temperature.clone().filter(|t| self.native() || !one(t));
        let top_p = sampling.top_p.clone().filter(|p| self.native() || !one(p));
        let mut any = false;
        if self.target.profile.sampling && !thinking.on {
            if let Some(number) = temperature {
                let hot = number.as_f64().is_some_and(|t| t > 1.0);
                if hot {
                    self.warn("temperature_clamped", "temperature");
                }
                body.insert("temperature".into(), if hot { json!(1) } else { Value::Number(number) });
                any = true;
            }
            match top_p {
                // Newer ones of those that take both refuse them together.
                Some(_) if any && !self.native() => self.warn("parameter_dropped", "top_p"),
                Some(number) => {
                    body.insert("top_p".into(), Value::Number(number));
                    any = true;
                }
                None => {}
            }
            if let Some(k) = sampling.top_k {
                body.insert("top_k".into(), k.into());
                any = true;
            }
        } else {
            let dropped = [
                (temperature.is_some(), "temperature"),
                (top_p.is_some(), "top_p"),
                (sampling.top_k.is_some(), "top_k"),
            ];
            for (_, field) in dropped.into_iter().filter(|(given, _)| *given) {
                self.warn("parameter_dropped", field);
            }
        }
        self.warn_sampling();
        any
    }

    fn warn_sampling(&mut self) {
        let sampling = &self.request.sampling;
        let nonzero = |number: &Option<Number>| number.as_ref().is_some_and(|n| n.as_f64() != Some(0.0));
        let medium = self.request.verbosity.as_deref().is_none_or(|word| word == "medium");
        let dropped = [
            (sampling.seed.is_some(), "seed"),
            (nonzero(&sampling.presence_penalty), "presence_penalty"),
            (nonzero(&sampling.frequency_penalty), "frequency_penalty"),
            (sampling.logit_bias.is_some(), "logit_bias"),
            (!medium, self.field("verbosity", "text.verbosity", "verbosity")),
            (self.request.cache.ttl.is_some(), "prompt_cache_options"),
        ];
        for (_, field) in dropped.into_iter().filter(|(given, _)| *given) {
            self.warn("parameter_dropped", field);
        }
    }

    /// Stop texts, end user, tier, the mark for all.
    pub(super) fn params(&mut self, body: &mut Map<String, Value>) {
        let request = self.request;
        let stops: Vec<Value> = request
            .stop
            .iter()
            .filter(|stop| !stop.trim().is_empty())
            .map(|stop| stop.as_str().into())
            .collect();
        if stops.len() < request.stop.len() {
            self.warn("parameter_dropped", self.field("stop", "stop", "stop_sequences"));
        }
        if !stops.is_empty() {
            body.insert("stop_sequences".into(), stops.into());
        }
        if let Some(user) = &request.end_user {
            body.insert("metadata".into(), json!({ "user_id": user }));
        }
        match request.service_tier.as_deref() {
            None => {}
            Some("auto") => drop(body.insert("service_tier".into(), "auto".into())),
            Some("default" | "standard" | "standard_only") => {
                body.insert("service_tier".into(), "standard_only".into());
            }
            Some("fast") if self.native() => {
                body.insert("speed".into(), "fast".into());
                self.betas.push(FAST_MODE);
            }
            Some(_) => self.warn("parameter_dropped", "service_tier"),
        }
        if let Some(mark) = request.cache.auto {
            let mut marked = Value::Object(std::mem::take(body));
            self.put_mark(&mut marked, Some(mark));
            if let Value::Object(marked) = marked {
                *body = marked;
            }
        }
    }

    /// What the canonical form has no place for: a caller's of this dialect is sent on, another's cannot be.
    pub(super) fn rest(&mut self, body: &mut Map<String, Value>) {
        let request = self.request;
        for (key, value) in &request.rest {
            // A path stands for a member of something that was built anew.
            if !self.native() || key.contains(['.', '[']) {
                self.warn("unknown_field_dropped", key.as_str());
                continue;
            }
            match (body.get_mut(key), value) {
                (Some(Value::Object(into)), Value::Object(more)) => {
                    into.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
                }
                (Some(_), _) => {}
                (None, _) => drop(body.insert(key.clone(), value.clone())),
            }
        }
    }
}

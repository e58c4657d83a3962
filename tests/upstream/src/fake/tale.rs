//! What is answered, before any wire format: the same content for a stream and for a whole answer.

use serde_json::{Value, json};

use super::asked::{Asked, Choice, Form, Offer};
use super::counts::Counts;
use super::record::Billed;
use super::schema::example;
use super::script::{End, Numbers, Script, Thoughts, Tools};
use crate::answer::sha256;

const WORDS: [&str; 6] = ["Water ", "höher ", "than ", "水 ", "rises ", "🌊."];
const LONG: usize = 100;
const THOUGHTS: [&str; 3] = ["First ", "weigh ", "水."];
const REASONING_TOKENS: u64 = 64;
const INPUT_BASE: u64 = 11;
const INPUT_PER_RESULT: u64 = 7;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tale {
    /// Unique among the answers of all fakes; 20 letters and digits.
    pub tag: String,
    /// Its content.
    pub pieces: Vec<Piece>,
    /// Why it ends.
    pub ending: Ending,
    /// Its tokens.
    pub counts: Counts,
    /// What is said about them.
    pub numbers: Numbers,
    /// Calls stream one after the other.
    pub in_turn: bool,
}

/// A part of the content. Lists are what a stream sends at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Thoughts.
    Reasoning(Vec<String>),
    /// Thoughts that are not shown.
    Redacted,
    /// Text.
    Text(Vec<String>),
    /// A refusal in words.
    Refusal(Vec<String>),
    /// A tool call.
    Call(Call),
}

/// A tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// 20 letters and digits for its id.
    pub tag: String,
    /// The tool.
    pub name: String,
    /// Whether its input is free text.
    pub custom: bool,
    /// The arguments.
    pub arguments: Vec<String>,
}

/// Why an answer ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    Stop,
    StopSequence(String),
    Length,
    Tools,
    Refusal,
    Safety,
    PromptBlock,
}

impl Call {
    /// Its arguments as an object; empty where they are none.
    pub(crate) fn object(&self) -> Value {
        serde_json::from_str(&self.arguments.concat()).unwrap_or_else(|_| json!({}))
    }
}

impl Tale {
    /// The answer to a call.
    pub(crate) fn of(asked: &Asked, script: &Script, name: &str, n: usize) -> Self {
        let tag = tag(&format!("{name} {n}"));
        let mut pieces = Vec::new();
        let blocked = script.end == End::PromptBlock;
        match script.thoughts {
            _ if asked.no_thoughts || blocked => {}
            Thoughts::Shown => pieces.push(Piece::Reasoning(owned(&THOUGHTS))),
            Thoughts::Redacted => pieces.push(Piece::Redacted),
            Thoughts::None => {}
        }
        let thought = !pieces.is_empty();
        let (content, ending) = content(asked, script, &tag);
        pieces.extend(content);
        let visible = pieces.iter().map(Piece::tokens).sum();
        let mut counts = Counts { uncached: input(asked), visible, ..Counts::default() };
        if thought {
            counts.reasoning = REASONING_TOKENS;
        }
        if script.numbers == Numbers::Cached {
            counts.cached = 1200;
            counts.write_short = 300;
            counts.write_long = if asked.form == Form::Gemini { 0 } else { 100 };
            counts.reasoning = REASONING_TOKENS;
        }
        if asked.form == Form::Gemini {
            counts.uncached += std::mem::take(&mut counts.write_short);
        }
        Self { tag, pieces, ending, counts, numbers: script.numbers, in_turn: script.in_turn }
    }

    /// Its calls.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Call(call) => Some(call),
            _ => None,
        })
    }

    /// All its text; `None` where it has none.
    pub(crate) fn text(&self) -> Option<String> {
        let texts = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(words) => Some(words.concat()),
            _ => None,
        });
        texts.reduce(|all, text| all + &text)
    }

    /// What it bills, numbers that contradict each other clamped to what holds them.
    pub(crate) fn billed(&self, form: Form) -> Billed {
        let billed = self.counts.billed(form);
        match (self.numbers, form) {
            (Numbers::Odd, Form::Gemini) => Billed { cached: billed.input_tokens, ..billed },
            (Numbers::Odd, Form::Converse) => billed,
            (Numbers::Odd, _) => Billed { reasoning: billed.output_tokens, ..billed },
            _ => billed,
        }
    }
}

impl Piece {
    fn tokens(&self) -> u64 {
        match self {
            Self::Text(words) | Self::Refusal(words) => words.len() as u64,
            Self::Call(call) => call.arguments.len().max(1) as u64,
            Self::Reasoning(_) | Self::Redacted => 0,
        }
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// A text in the pieces that a stream sends.
fn pieces_of(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// 20 letters and digits that depend on the text alone.
fn tag(of: &str) -> String {
    let mut tag = sha256(of.as_bytes());
    tag.truncate(20);
    tag
}

fn input(asked: &Asked) -> u64 {
    INPUT_BASE + (asked.last_text.len() / 4) as u64 + INPUT_PER_RESULT * asked.results.len() as u64
}

fn content(asked: &Asked, script: &Script, tag: &str) -> (Vec<Piece>, Ending) {
    match script.end {
        End::PromptBlock => return (Vec::new(), Ending::PromptBlock),
        End::Refusal => {
            return (vec![Piece::Refusal(pieces_of("I cannot help with that."))], Ending::Refusal);
        }
        End::Safety => return (vec![Piece::Text(owned(&WORDS[..2]))], Ending::Safety),
        End::Length => return (vec![Piece::Text(owned(&WORDS[..4]))], Ending::Length),
        End::StopSequence => {
            let stop = asked.stop.first().map_or("STOP", String::as_str);
            return (vec![Piece::Text(owned(&WORDS[..3]))], Ending::StopSequence(stop.to_owned()));
        }
        End::Done => {}
    }
    let calls = calls(asked, script, tag);
    if !calls.is_empty() {
        let said = script.text.then(|| Piece::Text(owned(&["Let ", "me ", "look."])));
        return (said.into_iter().chain(calls.into_iter().map(Piece::Call)).collect(), Ending::Tools);
    }
    let words = if let Some(schema) = &asked.schema {
        pieces_of(&example(schema).to_string())
    } else if asked.json || script.json {
        pieces_of(r#"{"city": "Köln 水"}"#)
    } else if asked.results.is_empty() {
        owned(&WORDS.repeat(if script.long { LONG } else { 1 }))
    } else {
        pieces_of(&format!("The tool said: {}", asked.results.join(" | ")))
    };
    (vec![Piece::Text(words)], Ending::Stop)
}

fn calls(asked: &Asked, script: &Script, tag: &str) -> Vec<Call> {
    let forced = matches!(asked.choice, Choice::Any | Choice::Named(_));
    let wanted = forced || (script.tools != Tools::None && asked.results.is_empty());
    if !wanted || asked.choice == Choice::None {
        return Vec::new();
    }
    let named: Vec<&Offer> = match &asked.choice {
        Choice::Named(name) => asked.tools.iter().filter(|tool| tool.name == *name).collect(),
        _ => asked.tools.iter().collect(),
    };
    let Some(first) = named.first() else { return Vec::new() };
    let second = named.get(1).unwrap_or(first);
    let two = script.tools == Tools::Two && asked.parallel;
    let empty = script.tools == Tools::NoArguments;
    let offers = [first, second];
    offers[..if two { 2 } else { 1 }]
        .iter()
        .enumerate()
        .map(|(i, offer)| call(offer, tag, i, empty))
        .collect()
}

fn call(offer: &Offer, of: &str, i: usize, empty: bool) -> Call {
    let arguments = match (offer.custom, empty) {
        (_, true) => Vec::new(),
        (true, false) => owned(&["free ", "text ", "水"]),
        (false, false) => cut(&example(&offer.schema).to_string()),
    };
    Call { tag: tag(&format!("{of} {i}")), name: offer.name.clone(), custom: offer.custom, arguments }
}

/// Three parts that need not be words.
fn cut(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(chars.len().div_ceil(3).max(1)).map(|part| part.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(form: Form) -> Asked {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        let offer = |name: &str| Offer { name: name.to_owned(), custom: false, schema: schema.clone() };
        Asked { tools: vec![offer("a"), offer("b")], ..Asked::new(form, "m", &Value::Null) }
    }

    fn tale(asked: &Asked, words: &str) -> Tale {
        Tale::of(asked, &Script::of(&format!("m--{words}"), "").unwrap(), "t", 3)
    }

    #[test]
    fn tools_are_called_until_there_is_a_result() {
        let mut asked = asked(Form::Chat);
        let two = tale(&asked, "parallel");
        assert_eq!(two.calls().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        asked.parallel = false;
        assert_eq!(tale(&asked, "parallel").calls().count(), 1);
        asked.choice = Choice::Named("b".to_owned());
        assert_eq!(tale(&asked, "text").calls().next().unwrap().name, "b");
        asked.choice = Choice::None;
        assert_eq!(tale(&asked, "tools").calls().count(), 0);
        asked.choice = Choice::Auto;
        asked.results = vec!["21°C".to_owned()];
        assert_eq!(tale(&asked, "tools").text().unwrap(), "The tool said: 21°C");
        asked.results.clear();
        assert_eq!(tale(&asked, "tools").calls().next().unwrap().object(), json!({"city": "Köln 水"}));
        assert_eq!(tale(&asked, "empty_args").calls().next().unwrap().arguments.len(), 0);
    }

    #[test]
    fn each_format_bills_what_it_can_say() {
        for (form, long, reasoning) in [
            (Form::Chat, 0, 64),
            (Form::Responses, 100, 64),
            (Form::Messages, 100, 64),
            (Form::Converse, 100, 0),
        ] {
            let billed = tale(&asked(form), "cached").billed(form);
            assert_eq!((billed.cached, billed.cache_write), (1200, 400), "{form:?}");
            assert_eq!((billed.cache_write_long, billed.reasoning), (long, reasoning), "{form:?}");
            assert_eq!(billed.input_tokens, 11 + 1600, "{form:?}");
        }
        let billed = tale(&asked(Form::Gemini), "cached").billed(Form::Gemini);
        assert_eq!((billed.input_tokens, billed.cached, billed.cache_write), (11 + 1500, 1200, 0));
    }
}

//! Arbitrary conversations: whatever is taken is of the shape that Gemini wants.

use proptest::prelude::*;

use super::*;

fn any_opaque() -> impl Strategy<Value = Vec<Opaque>> {
    let own = prop::option::of(
        any::<bool>()
            .prop_map(|own| Origin { model: if own { origin().model } else { "other".into() }, ..origin() }),
    );
    prop::collection::vec(own.prop_map(signature), 0..2)
}

fn any_content() -> impl Strategy<Value = Content> {
    let id = prop_oneof![Just("c1"), Just("c2"), Just("")];
    let words = prop_oneof![Just(""), Just("{\"a\":1}"), Just("héllo \u{1f600}"), Just("[")];
    prop_oneof![
        words.clone().prop_map(text),
        words.clone().prop_map(|text| Content::Refusal { text: text.into() }),
        (words.clone(), any_opaque()).prop_map(|(text, opaque)| Content::Reasoning {
            text: text.into(),
            summary: vec!["s".into()],
            opaque
        }),
        (id.clone(), words.clone(), any_opaque()).prop_map(|(id, words, opaque)| call(id, words, opaque)),
        (id, words, any::<bool>()).prop_map(|(id, words, bad)| answer(id, vec![text(words)], bad)),
    ]
}

fn any_role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::User), Just(Role::Assistant), Just(Role::System)]
}

fn any_turns() -> impl Strategy<Value = Vec<(Role, Vec<Content>)>> {
    prop::collection::vec((any_role(), prop::collection::vec(any_content(), 0..4)), 0..6)
}

/// Loops as agents have them: calls, then their results in any order, around other content.
fn any_loop() -> impl Strategy<Value = Vec<(Role, Vec<Content>)>> {
    let round = (any_opaque(), any::<bool>(), any::<bool>()).prop_map(|(opaque, swap, apart)| {
        let mut results = vec![answer("a", vec![text("1")], false), answer("b", vec![text("2")], true)];
        if swap {
            results.reverse();
        }
        let mut turns =
            vec![(Role::Assistant, vec![text("t"), call("a", "{}", opaque), call("b", "", vec![])])];
        if apart {
            turns.extend(results.into_iter().map(|result| (Role::User, vec![result])));
        } else {
            turns.push((Role::User, results));
        }
        turns
    });
    prop::collection::vec(round, 1..4).prop_map(|rounds| {
        let mut turns = vec![(Role::User, vec![text("go")])];
        turns.extend(rounds.into_iter().flatten());
        turns
    })
}

fn check(body: &Value) {
    let contents = body["contents"].as_array().unwrap();
    assert!(!contents.is_empty());
    let mut calls: Vec<String> = Vec::new();
    for (at, content) in contents.iter().enumerate() {
        assert_eq!(content["role"], if at % 2 == 0 { "user" } else { "model" });
        let parts = content["parts"].as_array().unwrap();
        assert!(!parts.is_empty());
        let of =
            |kind: &str| -> Vec<&Value> { parts.iter().filter(|part| part.get(kind).is_some()).collect() };
        let responses = of("functionResponse");
        assert_eq!(responses.len(), calls.len(), "every call has its result");
        assert!(parts[..responses.len()].iter().all(|part| part.get("functionResponse").is_some()));
        calls = of("functionCall").iter().map(|part| part["functionCall"]["name"].to_string()).collect();
        if let Some(first) = of("functionCall").first() {
            let signed = of("functionCall").iter().any(|part| part["thoughtSignature"] == "SIG");
            assert!(signed || first["thoughtSignature"] == NO_SIGNATURE);
        }
        let sentinels = parts.iter().filter(|part| part["thoughtSignature"] == NO_SIGNATURE).count();
        assert!(sentinels <= 1);
        let empty = parts.iter().any(|part| part["text"] == "");
        assert!(!empty);
    }
}

proptest! {
    #[test]
    fn what_is_taken_has_geminis_shape(turns in any_turns()) {
        if let Ok((body, ..)) = encoded(&request(turns), &levels()) {
            check(&body);
        }
    }

    #[test]
    fn loops_are_always_taken(turns in any_loop()) {
        let (body, ..) = encoded(&request(turns), &levels()).unwrap();
        check(&body);
    }
}

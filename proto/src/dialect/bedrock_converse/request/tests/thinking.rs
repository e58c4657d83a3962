//! How hard to think, in every vendor's words.

use super::*;

fn thinking(change: impl Fn(&mut Request), model: &str, reasoning: ReasoningControl) -> (Value, Vec<String>) {
    let mut request = base();
    change(&mut request);
    let profile = Profile { reasoning, output_tokens: 20_000, ..profile() };
    let (body, warnings, _) = encode_with(&request, model, &profile).unwrap();
    (body, warnings)
}

fn effort(effort: Effort) -> impl Fn(&mut Request) {
    move |request| request.reasoning.effort = Some(effort)
}

#[test]
fn adaptive_claude_thinks_by_words() {
    let control = |can_disable, default_on| ReasoningControl::Adaptive {
        can_disable,
        default_on,
        levels: vec![Effort::Low, Effort::Medium, Effort::High],
    };
    let extra = |body: &Value| body["additionalModelRequestFields"].clone();
    let (body, warnings) = thinking(effort(Effort::High), CLAUDE, control(true, false));
    let expected = json!({ "thinking": { "type": "adaptive" }, "output_config": { "effort": "high" } });
    assert_eq!((extra(&body), warnings.len()), (expected, 0));
    let (body, warnings) = thinking(effort(Effort::Max), CLAUDE, control(true, false));
    assert_eq!(extra(&body)["output_config"]["effort"], "high");
    assert_eq!(warnings, ["effort_changed reasoning_effort"]);
    let off = |request: &mut Request| request.reasoning.enabled = Some(false);
    assert_eq!(
        extra(&thinking(off, CLAUDE, control(true, true)).0),
        json!({ "thinking": { "type": "disabled" } })
    );
    assert_eq!(extra(&thinking(effort(Effort::None), CLAUDE, control(true, false)).0), json!(null));
    let (body, warnings) = thinking(off, CLAUDE, control(false, true));
    assert_eq!(extra(&body)["output_config"]["effort"], "low");
    assert_eq!(warnings, ["reasoning_not_disabled reasoning_effort"]);
    let shown = |request: &mut Request| request.reasoning.show = Some(Show::Summary);
    let display = json!({ "thinking": { "type": "adaptive", "display": "summarized" } });
    assert_eq!(extra(&thinking(shown, CLAUDE, control(false, true)).0), display);
    assert_eq!(extra(&thinking(shown, CLAUDE, control(true, false)).0), json!(null));
    let warm = |request: &mut Request| {
        request.reasoning.enabled = Some(true);
        request.sampling.temperature = serde_json::Number::from_f64(0.2);
    };
    let (body, warnings) = thinking(warm, CLAUDE, ReasoningControl::Unknown);
    assert_eq!(
        (body.get("inferenceConfig"), warnings),
        (None, vec!["parameter_dropped temperature".to_owned()])
    );
}

#[test]
fn older_claude_thinks_on_a_budget() {
    let control = || ReasoningControl::Budget { min: 1024, max: 32_000, can_disable: true };
    let (body, _) = thinking(effort(Effort::Medium), CLAUDE, control());
    let expected = json!({ "thinking": { "type": "enabled", "budget_tokens": 8192 } });
    assert_eq!(body["additionalModelRequestFields"], expected);
    assert_eq!(body["inferenceConfig"], json!({ "maxTokens": 20_000 }));
    let tight = |request: &mut Request| {
        request.reasoning.budget = Some(9000);
        request.max_tokens = Some(4000);
    };
    let (body, warnings) = thinking(tight, CLAUDE, control());
    assert_eq!(body["additionalModelRequestFields"]["thinking"]["budget_tokens"], 2000);
    assert_eq!(warnings, ["effort_changed reasoning_effort"]);
    let tighter = |request: &mut Request| {
        request.reasoning.effort = Some(Effort::High);
        request.max_tokens = Some(500);
    };
    let (body, warnings) = thinking(tighter, CLAUDE, control());
    assert_eq!(
        (body.get("additionalModelRequestFields"), warnings),
        (None, vec!["reasoning_dropped reasoning_effort".to_owned()])
    );
    assert_eq!(thinking(effort(Effort::None), CLAUDE, control()).0.get("additionalModelRequestFields"), None);
    let forced = |request: &mut Request| {
        request.reasoning.effort = Some(Effort::Low);
        request.tools = vec![function(0, "f")];
        request.tool_choice = Some(ToolChoice::Required);
    };
    assert_eq!(thinking(forced, CLAUDE, control()).1, ["tool_choice_degraded tool_choice"]);
    let looped = |request: &mut Request| {
        request.reasoning.effort = Some(Effort::Low);
        request.tools = vec![function(0, "f")];
        request.turns.push(turn(Role::Assistant, 1, [call("a", "{}")]));
        request.turns.push(turn(Role::User, 2, [result("a", [text("x")], false)]));
    };
    assert_eq!(thinking(looped, CLAUDE, control()).1, ["reasoning_dropped reasoning_effort"]);
}

#[test]
fn other_vendors_have_their_own_words() {
    let levels = || ReasoningControl::Effort { levels: vec![Effort::Low, Effort::Medium, Effort::High] };
    let limited = |request: &mut Request| {
        request.reasoning.effort = Some(Effort::High);
        request.max_tokens = Some(10);
    };
    let (body, warnings) = thinking(limited, NOVA, levels());
    let expected = json!({ "reasoningConfig": { "type": "enabled", "maxReasoningEffort": "high" } });
    assert_eq!((&body["additionalModelRequestFields"], body.get("inferenceConfig")), (&expected, None));
    assert_eq!(warnings, ["parameter_dropped max_completion_tokens"]);
    let (body, _) = thinking(effort(Effort::None), NOVA, levels());
    assert_eq!(body["additionalModelRequestFields"], json!({ "reasoningConfig": { "type": "disabled" } }));
    let (body, _) = thinking(effort(Effort::Low), "openai.gpt-oss-120b-1:0", levels());
    assert_eq!(body["additionalModelRequestFields"], json!({ "reasoning_effort": "low" }));
    let (body, _) = thinking(effort(Effort::High), "deepseek.v3-v1:0", ReasoningControl::Unknown);
    assert_eq!(body["outputConfig"], json!({ "effort": "high" }));
    let (body, warnings) = thinking(effort(Effort::High), "meta.llama4", ReasoningControl::None);
    assert_eq!(
        (body.as_object().unwrap().len(), warnings),
        (1, vec!["parameter_dropped reasoning_effort".to_owned()])
    );
    assert_eq!(thinking(|_| (), "deepseek.v3-v1:0", levels()).0.as_object().unwrap().len(), 1);
}

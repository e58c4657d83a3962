//! Cache marks: Converse takes four; of more, the last four count.

use crate::canonical::{CacheMark, Content, Part, Request};

/// The most marks of a request.
const MARKS_MAX: usize = 4;

/// How many marks are still to be left out, by place. Tools come first in a prompt, then the instructions.
#[derive(Debug)]
pub(super) struct Marks {
    tools: usize,
    system: usize,
    turns: usize,
    dropped: bool,
}

impl Marks {
    pub(super) fn of(request: &Request) -> Self {
        let tools = request.tools.iter().filter(|tool| tool.cache.is_some()).count();
        let system = request.system.iter().filter(|text| text.cache.is_some()).count();
        let turns: usize = request.turns.iter().map(|turn| marked(&turn.parts)).sum();
        let all = tools + system + turns + usize::from(request.cache.auto.is_some());
        let surplus = all.saturating_sub(MARKS_MAX);
        let of_tools = surplus.min(tools);
        let of_system = (surplus - of_tools).min(system);
        Self {
            tools: of_tools,
            system: of_system,
            turns: surplus - of_tools - of_system,
            dropped: surplus > 0,
        }
    }

    pub(super) fn tool(&mut self, mark: Option<CacheMark>) -> Option<CacheMark> {
        take(&mut self.tools, mark)
    }

    pub(super) fn system(&mut self, mark: Option<CacheMark>) -> Option<CacheMark> {
        take(&mut self.system, mark)
    }

    pub(super) fn part(&mut self, mark: Option<CacheMark>) -> Option<CacheMark> {
        take(&mut self.turns, mark)
    }

    /// Whether there are more than fit.
    pub(super) fn dropped(&self) -> bool {
        self.dropped
    }
}

fn take(surplus: &mut usize, mark: Option<CacheMark>) -> Option<CacheMark> {
    if mark.is_some() && *surplus > 0 {
        *surplus -= 1;
        return None;
    }
    mark
}

fn marked(parts: &[Part]) -> usize {
    let inner = |part: &Part| match &part.content {
        Content::ToolResult { parts, .. } => marked(parts),
        _ => 0,
    };
    parts.iter().map(|part| usize::from(part.cache.is_some()) + inner(part)).sum()
}

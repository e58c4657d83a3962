//! What makes a configuration document impossible, and what makes it doubtful. Whoever writes it, it is looked at here
//! before it is published.

use std::collections::BTreeSet;

use proto::config::{Config, ProviderKind, WEIGHT_MAX};
use proto::subject::valid_project;

use crate::file;

/// What is wrong, one sentence each; empty if the document can be published.
pub(crate) fn errors(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for provider in &config.providers {
        let name = &provider.name;
        if !valid_project(name) {
            found.push(format!("providers[{name}]: the name must be 1 to 64 letters, digits, `_` or `-`"));
        }
        if !names.insert(name) {
            found.push(format!("providers[{name}]: there are two of that name"));
        }
        let needs = matches!(provider.kind, ProviderKind::OpenaiCompatible | ProviderKind::AzureOpenai);
        match &provider.base_url {
            None if needs => {
                found.push(format!("providers[{name}].base_url: expected an address, found none"))
            }
            Some(url) => {
                let versioned =
                    matches!(provider.kind, ProviderKind::Openai | ProviderKind::OpenaiCompatible);
                if let Err(problem) = file::provider_address(url, provider.allow_private_network, versioned) {
                    found.push(format!("providers[{name}].base_url: {problem}"));
                }
            }
            None => {}
        }
    }
    let mut aliases = BTreeSet::new();
    for model in &config.models {
        let alias = &model.alias;
        if !aliases.insert(alias) {
            found.push(format!("models[{alias}]: there are two of that alias"));
        }
        if model.targets.is_empty() {
            found.push(format!("models[{alias}].targets: expected at least one"));
        }
        for (index, target) in model.targets.iter().enumerate() {
            if !names.contains(&target.provider) {
                let provider = &target.provider;
                found.push(format!("models[{alias}].targets[{index}]: no provider is named \"{provider}\""));
            }
            if !(1..=WEIGHT_MAX).contains(&target.weight) {
                found.push(format!("models[{alias}].targets[{index}].weight: expected 1 to {WEIGHT_MAX}"));
            }
        }
    }
    projects(config, &mut found);
    found
}

fn projects(config: &Config, found: &mut Vec<String>) {
    let (mut names, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for project in &config.projects {
        let name = &project.name;
        if !valid_project(name) {
            found.push(format!("projects[{name}]: the name must be 1 to 64 letters, digits, `_` or `-`"));
        }
        if !names.insert(name) {
            found.push(format!("projects[{name}]: there are two of that name"));
        }
        if !ids.insert(project.public_app_id()) {
            found.push(format!("projects[{name}].public_app_id: another project has the same"));
        }
        let mut features = BTreeSet::new();
        for feature in &project.features {
            if !features.insert(&feature.key) {
                found.push(format!("projects[{name}].features[{}]: there are two of that key", feature.key));
            }
        }
    }
}

/// What may not be meant, one sentence each.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    for model in config.models.iter().filter(|model| !model.disabled) {
        let alias = &model.alias;
        let usable = model.targets.iter().any(|target| {
            !target.disabled && config.provider(&target.provider).is_some_and(|provider| !provider.disabled)
        });
        if !usable {
            found.push(format!("models[{alias}]: every target or its provider is disabled"));
        }
    }
    for provider in &config.providers {
        let name = &provider.name;
        if !config.models.iter().any(|m| m.targets.iter().any(|target| &target.provider == name)) {
            found.push(format!("providers[{name}]: no model uses it"));
        }
        let own = matches!(provider.kind, ProviderKind::Scripted | ProviderKind::Bedrock);
        if provider.api_key.is_none() && !own && !provider.allow_private_network {
            found.push(format!("providers[{name}]: it has no api_key"));
        }
    }
    found
}

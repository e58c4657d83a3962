//! The table of mistakes: every sentence that the file's reader can say.

/// Lines 1 to 7 of most files below.
const GOOD: &str = r#"[[providers]]
name = "p"
kind = "openai"
[[models]]
alias = "m"
targets = [{ provider = "p", model = "x" }]
[[projects]]
"#;
/// Lines 1 to 8: a project too.
pub(super) const WITH_PROJECT: &str = r#"[[providers]]
name = "p"
kind = "openai"
[[models]]
alias = "m"
targets = [{ provider = "p", model = "x" }]
[[projects]]
name = "a"
"#;

/// The text before, the text with the mistake, and what must be said: `line|path|message` for each.
pub(super) const TABLE: &[(&str, &str, &[&str])] = &[
    // Syntax.
    ("", "a = ", &["1||string values must be quoted, expected literal string"]),
    ("", "[x\n", &["1||unclosed table, expected `]`"]),
    (WITH_PROJECT, "name = \"b\"", &["9||duplicate key"]),
    ("", "a = = 2\n\nb = 1\nb = 2", &["1||extra `=`, expected nothing", "4||duplicate key"]),
    // The document.
    (
        "",
        "",
        &[
            "1|providers|expected at least one [[providers]], found none",
            "1|models|expected at least one [[models]], found none",
        ],
    ),
    (
        "streeming = true\n",
        WITH_PROJECT,
        &["1|streeming|unknown field `streeming`; did you mean `streaming`?"],
    ),
    ("streaming = \"yes\"\n", WITH_PROJECT, &["1|streaming|expected true or false, found text"]),
    (
        "routes = 1\n",
        WITH_PROJECT,
        &["1|routes|unknown field `routes`; expected one of streaming, providers, models, projects, keys"],
    ),
    ("keys = 1\n", WITH_PROJECT, &["1|keys|expected [[keys]], found the number 1"]),
    ("keys = [1]\n", WITH_PROJECT, &["1|keys[0]|expected a table, found the number 1"]),
    ("[keys]\nproject = \"a\"\n", WITH_PROJECT, &["1|keys|expected [[keys]], found a table"]),
    // Providers.
    (
        WITH_PROJECT,
        "[[providers]]\nkind = \"openai\"",
        &["9|providers[1].name|expected the provider's name, found nothing"],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"",
        &[
            "9|providers[1].kind|expected the vendor (openai, openai_compatible, anthropic, azure_openai, gemini or bedrock), \
             found nothing",
        ],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = 7\nkind = \"openai\"",
        &["10|providers[1].name|expected text in quotes, found the number 7"],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"p\"\nkind = \"openai\"",
        &["10|providers[1].name|\"p\" stands on line 2 already"],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"a.b\"\nkind = \"openai\"",
        &["10|providers[1].name|expected 1 to 64 letters, digits, `_` or `-`, found \"a.b\""],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"anthropic\"\napi_version = \"v1\"\nregion = \"eu-central-1\"",
        &[
            "12|providers[1].api_version|belongs to kind azure_openai alone: remove it",
            "13|providers[1].region|belongs to kind bedrock alone: remove it",
        ],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"azure_openai\"",
        &[
            "9|providers[1].base_url|expected the resource's address, https://NAME.openai.azure.com, found nothing",
        ],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"bedrock\"\nregion = \"eu/central\"",
        &["12|providers[1].region|expected letters, digits, hyphens and dots"],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"gemini\"\nbase_url = \"http://h\"",
        &["12|providers[1].base_url|plain http is for private networks only: use https, or set \
             allow_private_network = true"],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"scripted\"",
        &[
            "11|providers[1].kind|expected openai, openai_compatible, anthropic, azure_openai, gemini or bedrock, \
         found \"scripted\"",
        ],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"openai_compatible\"",
        &["9|providers[1].base_url|expected the address of the provider, ending in /v1, found nothing"],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"openai\"\nbase_url = \"ftp://h/v1\"",
        &[
            "12|providers[1].base_url|expected an address such as https://host/v1, beginning with https:// or http://",
        ],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"openai\"\nbase_url = \"not an address\"",
        &["12|providers[1].base_url|expected an address such as https://host/v1"],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"openai\"\nbase_url = \"https://u:canary@h/v1\"",
        &[
            "12|providers[1].base_url|expected an address such as https://host/v1, found user information in it: put \
         the secret in `api_key`",
        ],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"openai\"\nbase_url = \"http://h/v1\"",
        &["12|providers[1].base_url|plain http is for private networks only: use https, or set \
         allow_private_network = true"],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"openai\"\nbase_url = \"https://h\"",
        &["12|providers[1].base_url|expected an address that ends in /v1, found one without a path"],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"openai\"\nbase_url = \"https://h/v1?k=canary\"",
        &["12|providers[1].base_url|expected an address without a query or a fragment"],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"openai\"\nbase_url = \"https://h/v1/chat/completions\"",
        &["12|providers[1].base_url|expected the address up to /v1, without /chat/completions"],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"openai\"\napi_key = \"sk-canary\"",
        &[
            "12|providers[1].api_key|expected env:NAME or file:PATH: the secret itself may not stand in this file",
        ],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"openai\"\napi_key = \"credential:c1\"",
        &[
            "12|providers[1].api_key|`credential:ID` is not served by this release; expected env:NAME or file:PATH",
        ],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"openai\"\napi_key = \"env:MISSING\"",
        &["12|providers[1].api_key|the environment variable MISSING is not set"],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"openai\"\napi_key = \"env:\"",
        &[
            "12|providers[1].api_key|expected env:NAME or file:PATH: the secret itself may not stand in this file",
        ],
    ),
    (
        WITH_PROJECT,
        "[[providers]]\nname = \"q\"\nkind = \"openai\"\nallow_private_network = 1",
        &["12|providers[1].allow_private_network|expected true or false, found the number 1"],
    ),
    // Models.
    (
        WITH_PROJECT,
        "[[models]]\ntargets = [{ provider = \"p\", model = \"x\" }]",
        &["9|models[1].alias|expected the name that callers ask for, found nothing"],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"",
        &["9|models[1].targets|expected at least one { provider, model }, found nothing"],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"\ntargets = []",
        &["11|models[1].targets|expected at least one { provider, model }, found an empty list"],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"\ntargets = { provider = \"p\", model = \"x\" }",
        &["11|models[1].targets|expected a list, found a table"],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"\ntargets = [{ provider = \"p\" }, \"p/x\"]\nstrategy = \"fallback\"",
        &[
            "11|models[1].targets[0].model|expected the model's name at the provider, found nothing",
            "11|models[1].targets[1]|expected a table, found text",
        ],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"\ntargets = [{ provider = \"spare\", model = \"x\" }]",
        &["11|models[1].targets[0].provider|no provider is named \"spare\"; known: p"],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"\ntargets = [{ provider = \"p\", model = \"x\", weight = 3 }]",
        &[
            "11|models[1].targets[0].weight|`weight` is not served by this release: it belongs to strategy weighted, \
         which is not served yet. Remove it.",
        ],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"\ntargets = [{ provider = \"p\", model = \"x\", underlying_model = \"\" }]",
        &["11|models[1].targets[0].underlying_model|expected a name of 1 to 200 visible ASCII characters"],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"\nunderlying_model = \"y\"\ntargets = [{ provider = \"p\", model = \"x\" }]",
        &[
            "11|models[1].underlying_model|`underlying_model` is not served by this release: it belongs to a target, \
             { provider, model, underlying_model }.",
        ],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"m\"\ntargets = [{ provider = \"p\", model = \"x\" }]",
        &["10|models[1].alias|\"m\" stands on line 5 already"],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"two words\"\ntargets = [{ provider = \"p\", model = \"\" }]",
        &[
            "10|models[1].alias|expected a name of 1 to 200 visible ASCII characters",
            "11|models[1].targets[0].model|expected a name of 1 to 200 visible ASCII characters",
        ],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"\nstrategy = \"weighted\"\ntargets = [{ provider = \"p\", model = \"x\" }]",
        &[
            "11|models[1].strategy|strategy `weighted` is not served by this release; expected simple or fallback",
        ],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"\nstrategy = \"latency\"\ntargets = [{ provider = \"p\", model = \"x\" }]",
        &[
            "11|models[1].strategy|strategy `latency` is not served by this release; expected simple or fallback",
        ],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"\nstrategy = \"fast\"\ntargets = [{ provider = \"p\", model = \"x\" }]",
        &["11|models[1].strategy|expected simple or fallback, found \"fast\""],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"\ntargets = [{ provider = \"p\", model = \"x\" }, { provider = \"p\", model = \"y\" }]",
        &[
            "11|models[1].targets|strategy simple uses one target, found 2: set strategy = \"fallback\" or keep one of them",
        ],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"\ntargets = [{ provider = \"p\", model = \"x\" }]\nprice = { input = \"1,5\", output = 0.6 }",
        &[
            "12|models[1].price.input|expected a decimal amount of US dollars such as \"0.15\", found \"1,5\"",
            "12|models[1].price.output|expected US dollars per million tokens in quotes, such as \"0.15\", found the number 0.6",
        ],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"\ntargets = [{ provider = \"p\", model = \"x\" }]\n[models.price]\ninput = \"0.1234567890\"",
        &[
            "12|models[1].price.output|expected US dollars per million tokens in quotes, such as \"0.15\", found nothing",
            "13|models[1].price.input|at most 9 digits may stand behind the decimal point, found \"0.1234567890\"",
        ],
    ),
    (
        WITH_PROJECT,
        "[[models]]\nalias = \"n\"\ntargets = [{ provider = \"p\", model = \"x\" }]\nprice = \"0.1\"",
        &["12|models[1].price|expected a table, found text"],
    ),
    // Projects.
    (GOOD, "", &["7|projects[0].name|expected the project's name, found nothing"]),
    (GOOD, "name = \"\"", &["8|projects[0].name|expected 1 to 64 letters, digits, `_` or `-`, found \"\""]),
    (
        GOOD,
        "name = \"a\\nb\"",
        &["8|projects[0].name|expected 1 to 64 letters, digits, `_` or `-`, found \"a\\nb\""],
    ),
    (WITH_PROJECT, "[[projects]]\nname = \"a\"", &["10|projects[1].name|\"a\" stands on line 8 already"]),
    (
        WITH_PROJECT,
        "budget_usd = \"25.00\"",
        &[
            "9|projects[0].budget_usd|`budget_usd` is not served by this release: a budget that is accepted and ignored \
         would be worse than none. Remove it.",
        ],
    ),
    (
        WITH_PROJECT,
        "billing = \"prepaid\"",
        &[
            "9|projects[0].billing|`billing` is not served by this release: every project is billed afterwards. Remove it.",
        ],
    ),
    (
        WITH_PROJECT,
        "on_disconnect = \"ignore\"",
        &["9|projects[0].on_disconnect|expected cancel or drain, found \"ignore\""],
    ),
    (WITH_PROJECT, "streaming = 0", &["9|projects[0].streaming|expected true or false, found the number 0"]),
    // Keys.
    (
        WITH_PROJECT,
        "[[keys]]\nname = \"k\"",
        &["9|keys[0].project|expected the name of the key's project, found nothing"],
    ),
    (WITH_PROJECT, "[[keys]]\nproject = \"a\"", &["9|keys[0].name|expected the key's name, found nothing"]),
    (
        WITH_PROJECT,
        "[[keys]]\nproject = \"acme\"\nname = \"k\"",
        &["10|keys[0].project|no project is named \"acme\"; known: a"],
    ),
    (
        WITH_PROJECT,
        "[[keys]]\nproject = \"a\"\nname = \"k\"\n[[keys]]\nproject = \"a\"\nname = \"k\"",
        &["14|keys[1].name|project \"a\" has a key \"k\" on line 11 already"],
    ),
    (
        WITH_PROJECT,
        "[[keys]]\nproject = \"a\"\nname = \"k\"\nrpm = 600\ntpm = 2\nbudget_usd = \"5\"",
        &[
            "12|keys[0].rpm|`rpm` is not served by this release: a rate limit that is accepted and ignored would be worse \
         than none. Remove it.",
            "13|keys[0].tpm|`tpm` is not served by this release: a rate limit that is accepted and ignored would be worse \
         than none. Remove it.",
            "14|keys[0].budget_usd|`budget_usd` is not served by this release: a budget that is accepted and ignored would \
         be worse than none. Remove it.",
        ],
    ),
    (
        WITH_PROJECT,
        "[[keys]]\nproject = \"a\"\nname = \"k\"\nsecret = \"env:MISSING\"",
        &["12|keys[0].secret|the environment variable MISSING is not set"],
    ),
    (
        WITH_PROJECT,
        "[[keys]]\nproject = \"a\"\nname = \"k\"\nsecret = \"env:SHORT\"",
        &["12|keys[0].secret|expected a secret of 16 characters or more, found 5"],
    ),
    (
        WITH_PROJECT,
        "[[keys]]\nproject = \"a\"\nname = \"k\"\nsecret = \"env:EMPTY\"",
        &["12|keys[0].secret|env:EMPTY is empty"],
    ),
    (
        WITH_PROJECT,
        "[[keys]]\nproject = \"a\"\nname = \"k\"\nsecret = \"env:\"",
        &["12|keys[0].secret|expected env:NAME or file:PATH"],
    ),
    (
        WITH_PROJECT,
        "[[keys]]\nproject = \"a\"\nname = \"k\"\nsecret = \"canary\"",
        &["12|keys[0].secret|expected a secret of 16 characters or more, found 6"],
    ),
    (
        WITH_PROJECT,
        "[[keys]]\nproject = \"a\"\nname = \"k\"\nsecret = \"canary canary canary\"",
        &["12|keys[0].secret|expected a secret of visible ASCII characters, because it travels in a header"],
    ),
    (
        WITH_PROJECT,
        "[[keys]]\nproject = \"a\"\nname = \"k\"\nsecret = \"credential:canary\"",
        &["12|keys[0].secret|`credential:ID` is not served by this release; expected env:NAME or file:PATH"],
    ),
    (
        WITH_PROJECT,
        "[[keys]]\nproject = \"a\"\nname = \"k\"\nsecret = \"env:GOOD\"\n[[keys]]\nproject = \"a\"\nname = \"l\"\nsecret = \"env:GOOD\"",
        &["16|keys[1].secret|the key on line 12 has the same secret: a secret belongs to one key"],
    ),
    (
        WITH_PROJECT,
        "[[keys]]\nproject = \"a\"\nnmae = \"k\"",
        &[
            "9|keys[0].name|expected the key's name, found nothing",
            "11|keys[0].nmae|unknown field `nmae`; did you mean `name`?",
        ],
    ),
];

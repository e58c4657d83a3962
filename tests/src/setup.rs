//! The configuration that stacks run with: two scripted providers, aliases that fall back from one to the other,
//! and a project for each policy. Every secret is a canary: it must turn up nowhere.

/// Secret of the key of project `acme`, which has every default.
pub const ACME_KEY: &str = "sk-acme-CANARY-virtual-key-5Qx8";
/// Secret of the key of project `other`.
pub const OTHER_KEY: &str = "sk-other-CANARY-virtual-key-9Lw2";
/// Secret of the key of project `drain`, whose calls run on when the caller goes.
pub const DRAIN_KEY: &str = "sk-drain-CANARY-virtual-key-3Ks7";
/// Secret of the key of project `whole`, which gets no streams.
pub const WHOLE_KEY: &str = "sk-whole-CANARY-virtual-key-1Pv4";
/// The credential of the provider `primary`.
pub const PRIMARY_KEY: &str = "sk-up-CANARY-primary-credential-7Jd3";
/// The credential of the provider `spare`.
pub const SPARE_KEY: &str = "sk-up-CANARY-spare-credential-2Hf6";
/// The master secret.
pub const MASTER: &str = "CANARY-master-b7Qm2-vX9_kLs8RtYw3ZpJc5NfHd6GgA";
/// The operator's token.
pub const ADMIN_TOKEN: &str = "CANARY-admin-t4Wn8-qE6_mBv2XcTz7RyUo9PaSd1LkH";
/// What every secret above holds.
pub const CANARY: &str = "CANARY";

/// Scripts of `primary` that the alias `fb+SCRIPT` falls back from, to `ok` of `spare`.
pub const FALLBACKS: [&str; 21] = [
    "status-400",
    "status-401",
    "status-403",
    "status-404",
    "status-408",
    "status-409",
    "status-413",
    "status-422",
    "status-425",
    "status-429",
    "status-500",
    "status-502",
    "status-503",
    "status-504",
    "quota",
    "cut-at-once",
    "cut-0",
    "error-0",
    "midstream-error",
    "hang",
    "ok",
];

/// What a stack is set up with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Lines before the first table.
    pub head: String,
    /// Tables added behind the usual ones.
    pub tail: String,
    /// Whether every model that has no alias of its own goes to `primary` by its own name.
    pub wildcard: bool,
    /// Where `primary` is, if it is not to be a scripted provider of the harness's own.
    pub primary: Option<String>,
    /// Variables added to the usual ones.
    pub env: Vec<(String, String)>,
    /// Whether its end checks that the books balance and nothing is left open.
    pub check: bool,
}

impl Default for Setup {
    fn default() -> Self {
        // A test that has to wait for a retry should not wait for long.
        let env = vec![("PROVIDER_RETRY_DELAY_MS".to_owned(), "50".to_owned())];
        Self { head: String::new(), tail: String::new(), wildcard: true, primary: None, env, check: true }
    }
}

impl Setup {
    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.retain(|(n, _)| n != name);
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Adds tables.
    #[must_use]
    pub fn tail(mut self, tables: &str) -> Self {
        self.tail.push_str(tables);
        self
    }

    /// Does not check the books at the end.
    #[must_use]
    pub fn unchecked(mut self) -> Self {
        self.check = false;
        self
    }

    /// The configuration file for providers at these addresses.
    pub fn file(&self, primary: &str, spare: &str) -> String {
        let mut text = self.head.clone();
        for (name, url) in [("primary", primary), ("spare", spare), ("down", "http://127.0.0.1:9/v1")] {
            let variable = if name == "spare" { "SPARE_KEY" } else { "PRIMARY_KEY" };
            text.push_str(&format!(
                "[[providers]]\nname = \"{name}\"\nkind = \"openai_compatible\"\nbase_url = \"{url}\"\n\
                     api_key = \"env:{variable}\"\nallow_private_network = true\n\n"
            ));
        }
        if self.wildcard {
            text.push_str(
                "[[models]]\nalias = \"*\"\ntargets = [ { provider = \"primary\", model = \"*\" } ]\n\
                 price = { input = \"1\", output = \"10\", cached_input = \"0.1\" }\n\n",
            );
        }
        text.push_str(
            "[[models]]\nalias = \"unpriced\"\ntargets = [ { provider = \"primary\", model = \"ok\" } ]\n\n\
             [[models]]\nalias = \"renamed\"\ntargets = [ { provider = \"primary\", model = \"echo\" } ]\n\
             price = { input = \"1\", output = \"10\" }\n\n\
             [[models]]\nalias = \"fb+down\"\nstrategy = \"fallback\"\n\
             targets = [ { provider = \"down\", model = \"ok\" }, { provider = \"spare\", model = \"ok\" } ]\n\
             price = { input = \"1\", output = \"10\" }\n\n",
        );
        for script in FALLBACKS {
            text.push_str(&format!(
                    "[[models]]\nalias = \"fb+{script}\"\nstrategy = \"fallback\"\n\
                     targets = [ {{ provider = \"primary\", model = \"{script}\" }}, \
                     {{ provider = \"spare\", model = \"ok\" }} ]\nprice = {{ input = \"1\", output = \"10\" }}\n\n"
                ));
        }
        for (name, policy) in [
            ("acme", ""),
            ("other", ""),
            ("drain", "on_disconnect = \"drain\"\n"),
            ("whole", "streaming = false\n"),
        ] {
            text.push_str(&format!(
                "[[projects]]\nname = \"{name}\"\n{policy}\n[[keys]]\nproject = \"{name}\"\nname = \"ci\"\n\
                     secret = \"env:{}_KEY\"\n\n",
                name.to_uppercase()
            ));
        }
        text.push_str(&self.tail);
        text
    }

    /// The environment of every process of the stack.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut env: Vec<(String, String)> = [
            ("PRIMARY_KEY", PRIMARY_KEY),
            ("SPARE_KEY", SPARE_KEY),
            ("ACME_KEY", ACME_KEY),
            ("OTHER_KEY", OTHER_KEY),
            ("DRAIN_KEY", DRAIN_KEY),
            ("WHOLE_KEY", WHOLE_KEY),
            ("SECRET_ENCRYPTION_KEY", MASTER),
            ("ADMIN_TOKEN", ADMIN_TOKEN),
            ("RUST_LOG", "info,async_nats=warn,sqlx=warn,hyper=warn"),
        ]
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .into();
        for (name, value) in &self.env {
            env.retain(|(n, _)| n != name);
            env.push((name.clone(), value.clone()));
        }
        env
    }
}

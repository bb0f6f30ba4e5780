//! Log levels (`V2TIMLogLevel`): which number lets what through.

use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, reload};

/// `V2TIMLogLevel`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum V2TimLogLevel {
    /// `V2TIM_LOG_NONE`: nothing.
    None = 0,
    /// `V2TIM_LOG_DEBUG`: debug, info, warning and error. The original's default.
    #[default]
    Debug = 3,
    /// `V2TIM_LOG_INFO`: info, warning and error.
    Info = 4,
    /// `V2TIM_LOG_WARN`: warning and error.
    Warn = 5,
    /// `V2TIM_LOG_ERROR`: error.
    Error = 6,
}

impl V2TimLogLevel {
    /// Every level.
    pub const ALL: [Self; 5] = [Self::None, Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// The original's number.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// What is output at this level, as the original documents it.
    pub const fn outputs(self) -> &'static [Self] {
        match self {
            Self::None => &[],
            Self::Debug => &[Self::Debug, Self::Info, Self::Warn, Self::Error],
            Self::Info => &[Self::Info, Self::Warn, Self::Error],
            Self::Warn => &[Self::Warn, Self::Error],
            Self::Error => &[Self::Error],
        }
    }

    /// The filter for `tracing`, which the SDK logs through.
    pub const fn filter(self) -> LevelFilter {
        match self {
            Self::None => LevelFilter::OFF,
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warn => LevelFilter::WARN,
            Self::Error => LevelFilter::ERROR,
        }
    }

    /// Lets this level through, on standard error, for the whole process – as in the original, where the
    /// level is the process's too. An app that has set up `tracing` by itself keeps what it has.
    pub(super) fn apply(self) {
        if self == Self::None && FILTER.get().is_none() {
            // Nothing is to be seen and nothing was set up: the app may still do so.
            return;
        }
        let handle = FILTER.get_or_init(|| {
            let (filter, handle) = reload::Layer::new(LevelFilter::OFF);
            let output = fmt::layer().with_writer(std::io::stderr);
            // The app's own subscriber, if there is one, stays.
            tracing_subscriber::registry().with(filter).with(output).try_init().ok()?;
            Some(handle)
        });
        if let Some(handle) = handle {
            // Fails only when the subscriber is gone, which it is not while the process lives.
            let _ = handle.reload(self.filter());
        }
    }
}

/// The way to change the level later; `None` when the app logs by itself.
static FILTER: OnceLock<Option<reload::Handle<LevelFilter, Registry>>> = OnceLock::new();

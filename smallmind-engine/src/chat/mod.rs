//! Chats: messages, the template that makes a prompt of them, and sessions
//! that answer.

#[cfg(feature = "async")]
mod asynchronous;
mod calls;
mod history;
mod message;
mod prompt;
mod saved;
mod session;
mod shared;
mod store;
mod stream;
mod template;
mod tools;
mod transcript;
mod verbatim;
mod window;

pub use message::{Message, Role, ToolCall};
pub use saved::CACHE_UNUSED;
pub use session::{ChatOptions, ChatSession, Turn};
pub(crate) use shared::Shared;
pub use store::{FolderStore, MemoryStore, SessionStore};
pub use stream::{ChatEvent, ChatReply, ChatStream};
pub use template::{ChatTemplate, NO_TEMPLATE, RenderOptions};
pub use tools::{ToolDefinition, Toolbox};
pub use window::{ContextPolicy, ContextTruncation};

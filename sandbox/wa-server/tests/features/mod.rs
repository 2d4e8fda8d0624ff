//! What WhatsApp does beyond linking and texting, against unmodified whatsapp-rust clients.

mod calls;
mod chats;
mod faults;
mod groups;
mod passkey;

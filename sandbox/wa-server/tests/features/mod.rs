//! What WhatsApp does beyond linking and texting, against unmodified whatsapp-rust clients.

mod calls;
mod channels;
mod chats;
mod conduct;
mod faults;
mod groups;
mod media;
mod media_faults;
mod passkey;
mod writing;

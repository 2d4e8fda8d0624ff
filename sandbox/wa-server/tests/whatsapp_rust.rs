use whatsapp_rust as _;

//! What the pages of templates say.

use ramal_domain::{MediaKind, TemplateCategory};

use crate::dashboard::texts::texts;

texts! {
    /// Templates.
    TemplateTexts {
        title: "Modelos", "Templates", "Plantillas";
        intro: "Um modelo é uma mensagem pronta com variáveis, como {{nome}}. Envia-se pela API, por números conectados por QR code; os números oficiais usam os modelos aprovados pela Meta.",
            "A template is a ready message with variables, such as {{name}}. It is sent by the API, from numbers that are paired by QR code; official numbers use the templates that Meta has approved.",
            "Una plantilla es un mensaje listo con variables, como {{nombre}}. Se envía por la API, desde números vinculados por código QR; los números oficiales usan las plantillas aprobadas por Meta.";
        add: "Novo modelo", "New template", "Nueva plantilla";
        create: "Criar modelo", "Create template", "Crear plantilla";
        empty_title: "Ainda não há modelos", "No templates yet", "Aún no hay plantillas";
        empty_hint: "Escreva uma vez o que se repete: confirmação de pedido, lembrete, código. Seu sistema envia só o nome do modelo e os valores.",
            "Write once what repeats itself: a confirmation, a reminder, a code. Your system then sends the template's name and the values only.",
            "Escriba una vez lo que se repite: confirmación, recordatorio, código. Su sistema envía solo el nombre de la plantilla y los valores.";
        name: "Nome", "Name", "Nombre";
        name_hint: "Letras sem acento, números, ponto, hífen e sublinhado.", "Plain letters, digits, dots, hyphens and underscores.", "Letras sin acento, números, punto, guion y guion bajo.";
        category: "Categoria", "Category", "Categoría";
        utility: "Serviço", "Utility", "Servicio";
        marketing: "Marketing", "Marketing", "Marketing";
        otp: "Código de acesso", "One-time code", "Código de acceso";
        language: "Idioma", "Language", "Idioma";
        language_hint: "Opcional, como pt_BR.", "Optional, such as pt_BR.", "Opcional, como es_MX.";
        text: "Texto", "Text", "Texto";
        text_hint: "Uma variável é como {{nome}} ou {{1}}.", "A variable is written {{name}} or {{1}}.", "Una variable es como {{nombre}} o {{1}}.";
        footer: "Rodapé", "Footer", "Pie";
        footer_hint: "Opcional; fica embaixo do texto.", "Optional; it stands below the text.", "Opcional; queda debajo del texto.";
        media: "Endereço da mídia", "Address of media", "Dirección del archivo";
        media_hint: "Opcional. Um endereço https, que pode ter variáveis.", "Optional. An https address, which may have variables.", "Opcional. Una dirección https, que puede tener variables.";
        media_type: "Tipo da mídia", "Type of media", "Tipo del archivo";
        image: "Imagem", "Picture", "Imagen";
        video: "Vídeo", "Video", "Video";
        document: "Documento", "Document", "Documento";
        audio: "Áudio", "Audio", "Audio";
        voice: "Mensagem de voz", "Voice message", "Mensaje de voz";
        sticker: "Figurinha", "Sticker", "Sticker";
        file_name: "Nome do arquivo", "File name", "Nombre del archivo";
        file_name_hint: "Só de documentos.", "Of documents only.", "Solo de documentos.";
        buttons: "Botões", "Buttons", "Botones";
        buttons_hint: "Mudam-se pela API.", "They are changed by the API.", "Se cambian por la API.";
        preview: "Prévia", "Preview", "Vista previa";
        preview_hint: "Digite valores para ver a mensagem como chega.", "Type values to see the message as it arrives.", "Escriba valores para ver el mensaje como llega.";
        no_variables: "Este modelo não tem variáveis.", "This template has no variables.", "Esta plantilla no tiene variables.";
        broken: "Há {{ sem }}, ou um nome com outros sinais que letras, números e sublinhado.",
            "There is a {{ without }}, or a name with other signs than letters, digits and underscores.",
            "Hay {{ sin }}, o un nombre con otros signos que letras, números y guion bajo.";
        version: "Versão", "Version", "Versión";
        versions: "Histórico de versões", "History of versions", "Historial de versiones";
        current: "atual", "current", "actual";
        by: "por", "by", "por";
        take: "Usar este texto de novo", "Use this text again", "Usar este texto de nuevo";
        taken: "O formulário tem o texto da versão {n}. Salve para que ele valha.",
            "The form has the text of version {n}. Save it to put it in force.",
            "El formulario tiene el texto de la versión {n}. Guárdelo para que valga.";
        edit: "Editar", "Edit", "Editar";
        updated: "Mudado", "Changed", "Cambiado";
        identifier: "Identificador", "Id", "Identificador";
        send: "Como enviar", "How to send it", "Cómo enviarla";
        delete_hint: "O nome fica livre. O que já foi aceito para envio ainda é enviado.",
            "Its name is free again. What was accepted for sending is sent all the same.",
            "Su nombre queda libre. Lo ya aceptado para envío se envía igual.";
        type_name: "Digite {name} para confirmar", "Type {name} to confirm", "Escriba {name} para confirmar";
    }
}

impl TemplateTexts {
    pub(in crate::dashboard) const fn category_words(
        &self,
        category: TemplateCategory,
    ) -> &'static str {
        match category {
            TemplateCategory::Utility => self.utility,
            TemplateCategory::Marketing => self.marketing,
            TemplateCategory::Otp => self.otp,
        }
    }

    pub(in crate::dashboard) const fn kind_words(&self, kind: MediaKind) -> &'static str {
        match kind {
            MediaKind::Image => self.image,
            MediaKind::Video => self.video,
            MediaKind::Document => self.document,
            MediaKind::Audio => self.audio,
            MediaKind::Voice => self.voice,
            MediaKind::Sticker => self.sticker,
        }
    }
}

//! What the page of a number's messages says.

use crate::dashboard::texts::texts;

texts! {
    /// What a number said, heard, and has yet to send.
    MessagesTexts {
        title: "Mensagens", "Messages", "Mensajes";
        all: "Ver as mensagens ou enviar uma", "See all messages, or send one", "Ver los mensajes o enviar uno";
        new_message: "Nova mensagem", "New message", "Mensaje nuevo";

        send: "Enviar uma mensagem de teste", "Send a test message", "Enviar un mensaje de prueba";
        send_do: "Enviar", "Send", "Enviar";
        offline: "O número não está conectado. O que for enviado espera na fila, por até 7 dias.",
            "The number is not connected. What you send waits in its queue, for up to 7 days.",
            "El número no está conectado. Lo que envíe espera en la cola, hasta 7 días.";
        window: "Textos e arquivos só chegam até 24 horas depois da última mensagem da pessoa. Fora disso, envie um modelo.",
            "Texts and files arrive only within 24 hours of the person's last message. Otherwise send a template.",
            "Los textos y archivos solo llegan hasta 24 horas después del último mensaje de la persona. Si no, envíe una plantilla.";
        what: "O que enviar", "What to send", "Qué enviar";
        mode_text: "Texto ou arquivo", "Text or file", "Texto o archivo";
        mode_template: "Modelo", "Template", "Plantilla";
        whom: "Para quem", "To whom", "A quién";
        mode_person: "Pessoa", "Person", "Persona";
        mode_crowd: "Grupo ou canal", "Group or channel", "Grupo o canal";
        to: "Número de telefone", "Phone number", "Número de teléfono";
        to_hint: "Com o código do país, como +5511999999999.", "With its country code, such as +5511999999999.", "Con el código del país, como +5511999999999.";
        crowd: "Grupo ou canal", "Group or channel", "Grupo o canal";
        groups: "Grupos", "Groups", "Grupos";
        channels: "Canais", "Channels", "Canales";
        choose: "Escolha…", "Choose…", "Elija…";
        no_crowds: "O número não pode escrever em nenhum grupo ou canal.",
            "There is no group or channel that the number may write to.",
            "El número no puede escribir en ningún grupo o canal.";
        crowds_unknown: "Não foi possível ver os grupos e canais agora:", "The groups and channels cannot be seen now:", "No se pueden ver los grupos y canales ahora:";
        text: "Texto", "Text", "Texto";
        text_hint: "Com um arquivo, fica embaixo dele.", "With a file, it stands below it.", "Con un archivo, queda debajo.";
        template: "Modelo", "Template", "Plantilla";
        template_show: "Mostrar variáveis", "Show its variables", "Mostrar variables";
        no_templates: "Ainda não há modelos.", "There are no templates yet.", "Aún no hay plantillas.";
        no_approved: "A Meta ainda não aprovou nenhum modelo desta conta.", "Meta has approved no template of this account yet.", "Meta aún no aprobó ninguna plantilla de esta cuenta.";
        templates_link: "Ver modelos", "See the templates", "Ver plantillas";
        templates_unknown: "Não foi possível ver os modelos agora:", "The templates cannot be seen now:", "No se pueden ver las plantillas ahora:";
        variables: "Variáveis", "Variables", "Variables";
        takes_media: "Este modelo pede um arquivo do tipo:", "This template takes a file of type:", "Esta plantilla pide un archivo de tipo:";
        when: "Quando", "When", "Cuándo";
        when_hint: "Opcional. Vazio: agora. Em UTC.", "Optional. Empty: now. In UTC.", "Opcional. Vacío: ahora. En UTC.";
        when_local: "Opcional. Vazio: agora. No seu fuso horário.", "Optional. Empty: now. In your time zone.", "Opcional. Vacío: ahora. En su zona horaria.";
        attach: "Arquivo", "File", "Archivo";
        media: "Endereço do arquivo", "Address of the file", "Dirección del archivo";
        media_hint: "Um endereço https, ou escolha um arquivo abaixo.", "An https address; or choose a file below.", "Una dirección https, o elija un archivo abajo.";
        media_type: "Tipo", "Type", "Tipo";
        media_auto: "Pelo arquivo", "As the file says", "Según el archivo";
        file_name: "Nome do documento", "Name of the document", "Nombre del documento";
        file: "Arquivo deste aparelho", "File of this device", "Archivo de este dispositivo";
        file_hint: "Até 16 MB.", "Up to 16 MB.", "Hasta 16 MB.";

        accepted: "Aceita para envio. O registro abaixo diz como foi.", "Accepted for sending. The log below tells how it went.", "Aceptado para envío. El registro abajo dice cómo fue.";
        scheduled: "Agendada.", "Scheduled.", "Programado.";
        two_media: "Escolha um endereço ou um arquivo, não os dois.", "Choose an address or a file, not both.", "Elija una dirección o un archivo, no ambos.";
        file_large: "O arquivo tem mais de 16 MB.", "The file has more than 16 MB.", "El archivo tiene más de 16 MB.";
        file_empty: "O arquivo está vazio.", "The file is empty.", "El archivo está vacío.";
        past: "Esse momento já passou.", "That moment has passed.", "Ese momento ya pasó.";
        no_time: "Esse momento não se entende.", "That is no moment in time.", "Ese momento no se entiende.";
        no_crowd: "Escolha um grupo ou canal.", "Choose a group or channel.", "Elija un grupo o canal.";
        no_person: "Falta o número de telefone.", "The phone number is missing.", "Falta el número de teléfono.";
        text_needed: "Falta o texto.", "The text is missing.", "Falta el texto.";
        no_template: "Escolha um modelo.", "Choose a template.", "Elija una plantilla.";
        in_use: "Esta mensagem está sendo aceita neste momento.", "This message is being accepted at this moment.", "Este mensaje se está aceptando en este momento.";

        waiting: "Agendadas e na fila", "Scheduled and queued", "Programados y en cola";
        waiting_none: "Nada espera para ser enviado.", "Nothing waits to be sent.", "Nada espera para ser enviado.";
        at_once: "assim que possível", "as soon as possible", "lo antes posible";
        until: "até", "until", "hasta";
        cancel: "Cancelar envio", "Do not send", "No enviar";
        canceled: "Cancelada: não será enviada.", "Canceled: it will not be sent.", "Cancelado: no se enviará.";
        late_sending: "Tarde demais: está sendo enviada neste momento.", "Too late: it is being sent at this moment.", "Demasiado tarde: se está enviando en este momento.";
        late_sent: "Tarde demais: já foi enviada.", "Too late: it was sent before.", "Demasiado tarde: ya se envió.";
        late_failed: "Não era preciso: o envio já tinha falhado.", "No need to: sending it has failed before.", "No hacía falta: el envío ya había fallado.";
        late_canceled: "Já tinha sido cancelada.", "It was canceled before.", "Ya se había cancelado.";

        log: "Registro", "Log", "Registro";
        empty_title: "Nenhuma mensagem ainda", "No messages yet", "Aún no hay mensajes";
        empty_hint: "O que este número envia e recebe aparece aqui: escreva para ele, ou envie uma mensagem de teste.",
            "What this number sends and receives appears here: write to it, or send a test message.",
            "Lo que este número envía y recibe aparece aquí: escríbale, o envíe un mensaje de prueba.";
        nothing_found: "Nenhuma mensagem corresponde a este filtro.", "No message matches this filter.", "Ningún mensaje corresponde a este filtro.";
        no_page: "Não há mensagens nesta página.", "There are no messages on this page.", "No hay mensajes en esta página.";
        relay_only: "Este número só repassa: o que as mensagens dizem, arquivos e pessoas não ficam guardados, e aqui aparecem ocultos.",
            "This number only relays: what messages say, files and people are not kept, and hidden here.",
            "Este número solo retransmite: lo que dicen los mensajes, los archivos y las personas no se guardan, y aquí aparecen ocultos.";
        kept_days: "Este número guarda o que as mensagens dizem por {n} dias. Depois, ficam só estado e horários.",
            "This number keeps what messages say for {n} days. After that, only states and times remain.",
            "Este número guarda lo que dicen los mensajes por {n} días. Después quedan solo estados y horas.";
        peer: "Pessoa, grupo ou canal", "Person, group or channel", "Persona, grupo o canal";
        peer_hint: "Um número de telefone, ou o identificador de um grupo.", "A phone number, or the id of a group.", "Un número de teléfono, o el identificador de un grupo.";
        show: "Mostrar", "Show", "Mostrar";
        everybody: "Mostrar todas", "Show all", "Mostrar todos";
        every_state: "Todos os estados", "Every status", "Todos los estados";
        status: "Estado", "Status", "Estado";
        bad_peer: "Isso não é um número de telefone, nem um grupo ou canal.", "That is no phone number, and no group or channel.", "Eso no es un número de teléfono, ni un grupo o canal.";
        only_with: "só esta conversa", "only this conversation", "solo esta conversación";
        newer: "Mais recentes", "Newer", "Más recientes";
        page: "Página {n} de {m}", "Page {n} of {m}", "Página {n} de {m}";

        received: "Recebida de", "Received from", "Recibido de";
        sent: "Enviada para", "Sent to", "Enviado a";
        group: "grupo", "group", "grupo";
        channel: "canal", "channel", "canal";
        status_post: "status", "status post", "estado";
        hidden: "oculto", "hidden", "oculto";
        not_kept: "Conteúdo não guardado", "Contents not kept", "Contenido no guardado";
        deleted: "Apagada para todos", "Deleted for everybody", "Eliminado para todos";
        edited: "editada", "edited", "editado";
        no_text: "Sem texto", "Without a text", "Sin texto";
        reaction_gone: "Reação retirada", "Reaction taken back", "Reacción retirada";
        quoted: "Em resposta a", "In reply to", "En respuesta a";
        reacted: "Reação a", "Reaction to", "Reacción a";
        quoted_unknown: "uma mensagem que não está aqui", "a message that is not here", "un mensaje que no está aquí";
        open: "Abrir", "Open", "Abrir";
        download: "Baixar", "Download", "Descargar";
        file_gone: "O arquivo não fica guardado aqui.", "The file is not kept here.", "El archivo no se guarda aquí.";
        made_from: "Modelo", "Template", "Plantilla";
        labels: "Etiquetas", "Labels", "Etiquetas";
        details: "Detalhes", "Details", "Detalles";
        created_at: "Aceita", "Accepted", "Aceptado";
        heard_at: "Recebida", "Received", "Recibido";
        deliver_at: "Agendada para", "Scheduled for", "Programado para";
        sent_at: "Enviada", "Sent", "Enviado";
        delivered_at: "Entregue", "Delivered", "Entregado";
        read_at: "Lida", "Read", "Leído";
        edited_at: "Editada", "Edited", "Editado";
        deleted_at: "Apagada", "Deleted", "Eliminado";
        origin: "Enviada por", "Sent by", "Enviado por";
        origin_api: "API", "API", "API";
        origin_dashboard: "Painel", "Dashboard", "Panel";
        origin_system: "Servidor", "Server", "Servidor";
        origin_phone: "Celular", "Phone", "Teléfono";
        id: "Identificador", "Id", "Identificador";
        wire_id: "No WhatsApp", "At WhatsApp", "En WhatsApp";
    }
}

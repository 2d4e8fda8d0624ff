//! What the profile says.

use crate::dashboard::texts::texts;

texts! {
    /// The profile.
    ProfileTexts {
        intro: "A chave da sua conta, a cara das páginas que seus clientes veem, e quem entra aqui.",
            "Your account's key, the look of the pages your customers see, and who comes in here.",
            "La clave de su cuenta, el aspecto de las páginas que ven sus clientes y quién entra aquí.";
        on_page: "Nesta página", "On this page", "En esta página";

        key: "Chave da conta", "Account key", "Clave de la cuenta";
        key_hint: "Vale para todos os números. Guarde-a só no seu servidor, nunca em uma página ou aplicativo.",
            "It is good for all numbers. Keep it on your backend only, never in a page or an app.",
            "Sirve para todos los números. Guárdela solo en su servidor, nunca en una página o aplicación.";
        key_created: "Criada", "Created", "Creada";
        key_used: "Último uso", "Last used", "Último uso";
        key_none: "A conta não tem chave. Gere uma.", "The account has no key. Make one.", "La cuenta no tiene clave. Genere una.";
        key_try: "Experimente", "Try it", "Pruébela";
        key_regenerate: "Gerar outra chave…", "Regenerate the key…", "Generar otra clave…";
        key_regenerate_hint: "A chave atual para de funcionar na mesma hora. Troque-a logo onde ela é usada.",
            "The present key stops working at once. Replace it right away wherever it is used.",
            "La clave actual deja de funcionar en el acto. Reemplácela enseguida donde se usa.";
        key_sure: "Entendi: a chave atual morre agora", "I understand: the present key dies now", "Entiendo: la clave actual muere ahora";
        key_regenerate_now: "Gerar outra chave", "Regenerate the key", "Generar otra clave";
        key_not_sure: "Nada mudou: marque que entendeu que a chave atual morre.",
            "Nothing was changed: tick that you understand that the present key dies.",
            "Nada cambió: marque que entiende que la clave actual muere.";
        key_new: "Sua nova chave", "Your new key", "Su nueva clave";
        key_new_hint: "A anterior já não funciona.", "The one before does not work any more.", "La anterior ya no funciona.";

        brand: "Marca", "Branding", "Marca";
        brand_hint: "A cara da página de conexão. O que fica vazio usa o padrão.",
            "How the connect page looks. What is empty uses the default.",
            "El aspecto de la página de conexión. Lo que queda vacío usa el estándar.";
        company: "Nome da empresa", "Company name", "Nombre de la empresa";
        subtitle: "Subtítulo", "Subtitle", "Subtítulo";
        primary: "Cor principal", "Main colour", "Color principal";
        primary_hint: "Botões e destaques", "Buttons and accents", "Botones y detalles";
        background: "Cor de fundo", "Background colour", "Color de fondo";
        picker: "Escolher a cor", "Pick the colour", "Elegir el color";
        faint: "Esta cor quase some em um cartão {on}: o botão ganha uma borda, e textos e ícones ficam na cor do texto.",
            "This colour hardly shows on a {on} card: the button gets a border, and text and icons take the text colour.",
            "Este color casi no se ve en una tarjeta {on}: el botón recibe un borde, y textos e íconos toman el color del texto.";
        weak: "Esta cor é difícil de ler como texto em um cartão {on}: links e ícones ficam na cor do texto.",
            "This colour is hard to read as text on a {on} card: links and icons take the text colour.",
            "Este color es difícil de leer como texto en una tarjeta {on}: enlaces e íconos toman el color del texto.";
        on_light: "claro", "light", "clara";
        on_dark: "escuro", "dark", "oscura";
        logo: "Logo", "Logo", "Logo";
        logo_hint: "PNG, JPEG ou WebP, até 2 MB. Aparece no lugar do nome.",
            "PNG, JPEG or WebP, up to 2 MB. It stands in place of the name.",
            "PNG, JPEG o WebP, hasta 2 MB. Aparece en lugar del nombre.";
        logo_address: "Endereço do logo", "Logo address", "Dirección del logo";
        logo_address_hint: "https://… ou o de um logo enviado", "https://… or that of an uploaded logo", "https://… o la de un logo subido";
        logo_upload: "Enviar logo", "Upload logo", "Subir logo";
        logo_uploaded: "Logo enviado. Salve para usá-lo.", "Logo uploaded. Save to use it.", "Logo subido. Guarde para usarlo.";
        logo_remove: "Remover logo", "Remove logo", "Quitar logo";
        logo_wrong: "O logo precisa ser um PNG, JPEG ou WebP de até 2 MB.",
            "The logo must be a PNG, JPEG or WebP picture of at most 2 MB.",
            "El logo debe ser un PNG, JPEG o WebP de hasta 2 MB.";
        support: "Link de ajuda", "Help link", "Enlace de ayuda";
        redirect: "Depois de conectar, ir para", "After connecting, go to", "Después de conectar, ir a";
        hide: "Não mostrar o nome Ramal no rodapé", "Leave the name Ramal out of the footer", "No mostrar el nombre Ramal al pie";
        brand_wrong: "Nada foi salvo: cores são como #1fd286, links começam com https://, o nome tem até 60 letras e o subtítulo até 120.",
            "Nothing was saved: colours look like #1fd286, links begin with https://, the name has at most 60 characters and the subtitle 120.",
            "No se guardó nada: los colores son como #1fd286, los enlaces empiezan con https://, el nombre tiene hasta 60 letras y el subtítulo hasta 120.";
        preview: "Prévia", "Preview", "Vista previa";
        preview_hint: "Segue o formulário. Nada muda para seus clientes até salvar.",
            "It follows the form. Nothing changes for your customers until you save.",
            "Sigue el formulario. Nada cambia para sus clientes hasta que guarde.";

        pairing: "Conexão", "Pairing", "Conexión";
        policy: "Se outro celular escanear", "If another phone scans", "Si otro teléfono escanea";
        policy_hint: "O link é para um número, mas quem escaneia pode estar com outro na mão.",
            "A link is for one number, but whoever scans may hold another phone.",
            "El enlace es para un número, pero quien escanea puede tener otro en la mano.";
        policy_reject: "Recusar", "Reject it", "Rechazarlo";
        policy_reject_hint: "O aparelho é desconectado, a página explica por quê e oferece tentar de novo. Recomendado.",
            "It is unlinked, the page says why and offers another try. Recommended.",
            "Se desvincula, la página explica por qué y ofrece intentarlo de nuevo. Recomendado.";
        policy_adopt: "Adotar", "Adopt it", "Adoptarlo";
        policy_adopt_hint: "O número cadastrado passa a ser o do celular que escaneou.",
            "The number becomes that of the phone that scanned.",
            "El número registrado pasa a ser el del teléfono que escaneó.";
        policy_ask: "Perguntar", "Ask", "Preguntar";
        policy_ask_hint: "A página mostra os dois números e pergunta à pessoa. Sem resposta, vale recusar.",
            "The page shows both numbers and asks the person. No answer means no.",
            "La página muestra ambos números y pregunta a la persona. Sin respuesta, se rechaza.";
        origins: "Sites que podem embutir a página", "Sites that may embed the page", "Sitios que pueden incrustar la página";
        origins_hint: "Um por linha, como https://app.acme.com. Nenhum: ninguém embute.",
            "One a line, such as https://app.acme.com. None: nobody may.",
            "Uno por línea, como https://app.acme.com. Ninguno: nadie puede.";
        official: "Onde contratar a API oficial", "Where to get the official API", "Dónde contratar la API oficial";
        official_hint: "Oferecido a quem o WhatsApp pede uma chave de acesso. Vazio: não é oferecido.",
            "Offered to people whom WhatsApp asks for a passkey. Empty: not offered.",
            "Se ofrece a quien WhatsApp le pide una llave de acceso. Vacío: no se ofrece.";
        pairing_wrong: "Nada foi salvo: um site é como https://app.acme.com (no máximo 20, http só para localhost), e o endereço da API oficial começa com https://.",
            "Nothing was saved: a site looks like https://app.acme.com (at most 20, http for localhost only), and the address of the official API begins with https://.",
            "No se guardó nada: un sitio es como https://app.acme.com (máximo 20, http solo para localhost), y la dirección de la API oficial empieza con https://.";

        people: "Pessoas", "People", "Personas";
        people_hint: "Proprietários podem tudo. Leitores veem tudo, menos segredos, e não mudam nada.",
            "Owners may do everything. Viewers see everything but secrets, and change nothing.",
            "Los propietarios pueden todo. Los lectores ven todo, menos secretos, y no cambian nada.";
        email: "E-mail", "E-mail", "Correo";
        role: "Papel", "Role", "Rol";
        owner: "Proprietário", "Owner", "Propietario";
        viewer: "Leitor", "Viewer", "Lector";
        you: "você", "you", "usted";
        seen: "Última entrada", "Last sign-in", "Último ingreso";
        actions: "Ações", "Actions", "Acciones";
        make_owner: "Tornar proprietário", "Make owner", "Hacer propietario";
        make_viewer: "Tornar leitor", "Make viewer", "Hacer lector";
        remove: "Remover…", "Remove…", "Quitar…";
        remove_hint: "A pessoa sai de todos os navegadores e não entra mais.",
            "They are signed out everywhere and cannot come in any more.",
            "Sale de todos los navegadores y ya no puede entrar.";
        remove_now: "Remover", "Remove", "Quitar";
        invite: "Convidar alguém", "Invite somebody", "Invitar a alguien";
        invite_hint: "Você recebe um link para mandar. Quem abrir primeiro escolhe o e-mail e a senha; vale 7 dias.",
            "You get a link to send. Whoever opens it first chooses an e-mail and a password; it is good for 7 days.",
            "Recibe un enlace para enviar. Quien lo abra primero elige su correo y contraseña; vale 7 días.";
        invite_now: "Criar convite", "Create invitation", "Crear invitación";
        invited: "Convite criado", "Invitation created", "Invitación creada";
        invited_hint: "Mande este link à pessoa. Ele serve uma vez e vence em 7 dias.",
            "Send this link to the person. It works once and expires in 7 days.",
            "Envíe este enlace a la persona. Sirve una vez y vence en 7 días.";
        only_owner: "É a única pessoa proprietária: torne outra proprietária antes.",
            "This is the only owner: make somebody else an owner first.",
            "Es la única persona propietaria: haga propietaria a otra primero.";
        nobody: "Essa pessoa não está (mais) aqui.", "There is no such person (any more).", "Esa persona (ya) no está.";

        account: "Sua conta", "Your account", "Su cuenta";
        password: "Trocar a senha", "Change password", "Cambiar la contraseña";
        password_present: "Senha atual", "Present password", "Contraseña actual";
        password_new: "Senha nova (10 caracteres ou mais)", "New password (10 characters or more)", "Contraseña nueva (10 caracteres o más)";
        password_wrong: "A senha atual não confere. Nada mudou.",
            "The present password is wrong. Nothing was changed.",
            "La contraseña actual no coincide. Nada cambió.";
        password_short: "A senha nova precisa de 10 caracteres ou mais.",
            "The new password needs 10 characters or more.",
            "La contraseña nueva necesita 10 caracteres o más.";
        everywhere: "Sair de todos os navegadores", "Sign out everywhere", "Salir de todos los navegadores";
        everywhere_hint: "Perdeu um aparelho? Isto encerra todas as suas sessões, também esta.",
            "Lost a device? This ends all your sessions, this one too.",
            "¿Perdió un dispositivo? Esto cierra todas sus sesiones, también esta.";
    }
}

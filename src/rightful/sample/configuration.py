"""The sample company's `rightful.yaml`, as an operator would have written it."""

import json
from pathlib import Path
from urllib.parse import quote

from rightful.sample.people import CONTOSO, FABRIKAM

STORAGE_ACCOUNT = "MyStorageAccount"
AUDIENCE = "api://rightful"


def render(folder: Path, *, listen: str) -> str:
    """Return the file's text; accounts have absolute URLs, so that it belongs to this folder."""
    return _TEMPLATE.format(
        listen=listen,
        contoso=CONTOSO,
        fabrikam=FABRIKAM,
        account=STORAGE_ACCOUNT,
        audience=AUDIENCE,
        exports=_url(folder / "exports"),
        fabrikam_exports=_url(folder / "fabrikam" / "exports"),
    )


def _url(path: Path) -> str:
    """Return a file URL as a YAML string (JSON's strings are YAML's too)."""
    return json.dumps(f"file://{quote(str(path), safe='/')}")


_TEMPLATE = """\
# The configuration of a sample company, written by `rightful demo`. Everything in it is invented.
server:
  listen: {listen}
  tls: {{cert: tls/cert.pem, key: tls/key.pem}}
store: sqlite:///var/rightful.db
engine: embedded
seal_key: {{file: seal.key}}

tenants:
  - id: {contoso}
    name: Contoso
    identity:
      issuers:
        - {{issuer: local, audience: [{audience}]}}
    storage:
      accounts:
        {account}: {{url: {exports}}}
    # What every package's statement says of the company, and of every source that does not say otherwise itself.
    statement:
      contact: "privacy@contoso.example, Contoso, 1 Example Street, 00000 Exampletown"
      officer: "dpo@contoso.example"
      authority:
        en: "Data Protection Authority of Exampleland, dpa.example"
        de: "Datenschutzbehörde von Exampleland, dpa.example"
        fr: "Autorité de protection des données d'Exampleland, dpa.example"
        es: "Autoridad de Protección de Datos de Exampleland, dpa.example"
        ja: "Exampleland データ保護機関, dpa.example"
        zh-Hans: "Exampleland 数据保护局, dpa.example"
      laws: [gdpr, ccpa]
      label: {{recipients: [], transfers: [], decisions: []}}

    directory:
      connector: sql
      url: sqlite:///systems/people.db
      table: people
      id: object_id
      upn: upn
      display_name: display_name
      language: preferred_language
      identifiers:
        mail: [mail, other_mail]
        employee_id: employee_no
        customer_id: customer_no
        folder: drive_folder
      more:
        # A person's devices, and the telephone numbers of those devices.
        - {{url: "sqlite:///systems/people.db", table: devices, from: {{upn: owner_upn}}, identifiers: {{device_id: device_id}}}}
        - {{url: "sqlite:///systems/people.db", table: sims, from: {{device_id: device_id}}, identifiers: {{telephone: telephone}}}}
      inbound_profiles: {{table: inbound_profiles, user_id: user_id, upn: upn, display_name: name, home_tenant_id: home_tenant}}

    sources:
      onedrive:
        connector: files
        url: systems/onedrive
        path: "{{folder}}/"
        product: OneDrive
        label:
          category: user.content
          purpose: essential.service
          legal_basis: contract
          retention:
            en: as long as the account
            de: solange das Konto besteht
            fr: tant que le compte existe
            es: mientras exista la cuenta
            ja: アカウントが存在する間
            zh-Hans: 账户存续期间
          origin: [person]
      profile:
        connector: sql
        url: sqlite:///systems/people.db
        table: people
        match: {{object_id: id}}
        product: Directory
        label:
          category: user.contact
          columns:
            object_id: user.unique_id
            employee_no: user.professional_information
            customer_no: user.unique_id
            preferred_language: user.demographic.language
            display_name: user.name
          purpose: [operations, essential.service.authentication]
          legal_basis: legitimate_interests
          retention: 10 years
          origin: [person, derived]
      employees:
        connector: sql
        url: sqlite:///systems/hr.db
        table: employees
        match: {{employee_no: employee_id}}
        key: id
        product: HR
        label:
          category: user.professional_information
          columns: {{full_name: user.name, born: user.demographic.date_of_birth, salary: user.financial, photo: user.content.self_image}}
          titles:
            hired_at: {{en: when you joined, de: Eintritt, fr: votre arrivée, es: incorporación, ja: 入社日時, zh-Hans: 入职时间}}
            grade: {{en: pay grade, de: Entgeltgruppe, fr: échelon, es: nivel salarial, ja: 給与等級, zh-Hans: 薪级}}
            old_code: {{en: number in the system before, de: Nummer im System davor, fr: numéro dans l'ancien système,
              es: número en el sistema anterior, ja: 旧システムの番号, zh-Hans: 旧系统编号}}
          purpose: employment
          legal_basis: contract
          retention: 10 years
          origin: [person]
      absences:
        connector: sql
        url: sqlite:///systems/hr.db
        table: absences
        via: {{employees: {{employee_no: employee_no}}}}
        key: id
        product: HR
        label:
          category: user.professional_information
          columns: {{reason: user.health}}
          titles:
            first_day: {{en: first day of absence, de: erster Fehltag, fr: premier jour d'absence, es: primer día de ausencia,
              ja: 休みの初日, zh-Hans: 缺勤首日}}
            days: {{en: working days, de: Arbeitstage, fr: jours ouvrés, es: días laborables, ja: 営業日数, zh-Hans: 工作日天数}}
          purpose: [employment, essential.legal_obligation]
          legal_basis: legal_obligation
          retention: 10 years
          # Names, where they are known; kinds with the reason why they are not.
          recipient_kinds:
            - kind:
                en: Health insurers
                de: Krankenkassen
                fr: Caisses d'assurance maladie
                es: Seguros médicos
                ja: 健康保険組合
                zh-Hans: 医疗保险机构
              why:
                en: which one it is, each employee chooses, and it is not recorded here
                de: welche es ist, wählt jeder selbst, und es wird hier nicht festgehalten
                fr: chaque employé choisit la sienne, et ce choix n'est pas enregistré ici
                es: cada empleado elige el suyo y aquí no se registra cuál es
                ja: どの組合かは従業員ごとに異なり、ここには記録されていません
                zh-Hans: 每位员工自行选择的机构在此处不作记录
          origin: [person]
      reviews:
        connector: sql
        url: sqlite:///systems/hr.db
        table: reviews
        match: {{employee_no: employee_id, reviewer_no: employee_id}}
        key: id
        product: HR
        label:
          category: user.professional_information
          titles:
            score: {{en: how your work was rated, de: Bewertung der Arbeit, fr: évaluation du travail, es: valoración del trabajo,
              ja: 仕事の評価, zh-Hans: 工作评价}}
          values:
            score:
              0: {{en: not rated, de: nicht bewertet, fr: pas évalué, es: sin valorar, ja: 評価なし, zh-Hans: 未评价}}
              1: {{en: much to improve, de: viel zu verbessern, fr: beaucoup à améliorer, es: mucho que mejorar, ja: 大きな改善が必要,
                zh-Hans: 有待大幅改进}}
              2: {{en: something to improve, de: etwas zu verbessern, fr: à améliorer, es: algo que mejorar, ja: 改善が必要,
                zh-Hans: 有待改进}}
              3: {{en: as expected, de: wie erwartet, fr: conforme aux attentes, es: según lo esperado, ja: 期待どおり,
                zh-Hans: 符合预期}}
              4: {{en: better than expected, de: besser als erwartet, fr: supérieur aux attentes, es: mejor de lo esperado, ja: 期待以上,
                zh-Hans: 超出预期}}
              5: {{en: outstanding, de: hervorragend, fr: remarquable, es: sobresaliente, ja: 非常に優秀, zh-Hans: 优秀}}
          purpose: employment
          legal_basis: contract
          retention: 10 years
          # Reviews about somebody, and those that they wrote.
          origin:
            - person
            - en: from those who review your work
              de: von denen, die Ihre Arbeit beurteilen
              fr: de ceux qui évaluent votre travail
              es: de quienes evalúan su trabajo
              ja: あなたの仕事を評価する人
              zh-Hans: 评价您工作的人
      calls:
        connector: sql
        url: sqlite:///systems/hr.db
        table: calls
        match: {{caller: telephone, called: telephone}}
        key: id
        product: HR
        label:
          category: user.contact.phone_number
          titles:
            seconds: {{en: how long it took, de: Dauer, fr: durée, es: duración, ja: 通話時間, zh-Hans: 通话时长}}
          purpose: operations
          legal_basis: legitimate_interests
          retention: 5 years
          origin: [observed]
      customers:
        connector: sql
        url: sqlite:///systems/shop.db
        table: customers
        match: {{customer_no: customer_id}}
        # What was somebody's address then may be somebody else's by now.
        third_parties: [contact_mail]
        key: id
        product: Shop
        label:
          category: user.account
          columns:
            name: user.name
            contact_mail: user.contact.email
            phone: user.contact.phone_number
            born: user.demographic.date_of_birth
            credit: user.financial
            preferences: user.settings
          purpose: essential.service
          legal_basis: contract
          retention: 6 years
          origin: [person]
          decisions:
            - what:
                en: Whether you may pay on account
                de: Ob Sie auf Rechnung zahlen können
                fr: Si vous pouvez payer sur facture
                es: Si puede pagar contra factura
                ja: 請求書払いができるかどうか
                zh-Hans: 您是否可以先用后付
              logic:
                en: by invoices of the last two years that were paid late
                de: nach Rechnungen der letzten zwei Jahre, die zu spät bezahlt wurden
                fr: d'après les factures payées en retard ces deux dernières années
                es: según las facturas pagadas con retraso en los últimos dos años
                ja: 過去 2 年間に支払いが遅れた請求書によります
                zh-Hans: 根据过去两年内逾期支付的账单
              consequences:
                en: else you pay in advance
                de: sonst zahlen Sie im Voraus
                fr: sinon vous payez d'avance
                es: si no, paga por adelantado
                ja: できない場合は前払いとなります
                zh-Hans: 否则您需预先付款
      orders:
        connector: sql
        url: sqlite:///systems/shop.db
        table: orders
        via: {{customers: {{customer_id: id}}}}
        third_parties: [placed_by]
        key: id
        product: Shop
        label:
          category: user.behavior.purchase_history
          columns: {{note: user.content}}
          titles: {{placed_by: {{en: who ordered, de: wer bestellt hat, fr: qui a commandé, es: quién hizo el pedido, ja: 注文した人,
            zh-Hans: 下单人}}}}
          values:
            currency:
              EUR: {{en: euros, de: Euro, fr: euros, es: euros, ja: ユーロ, zh-Hans: 欧元}}
              JPY: {{en: Japanese yen, de: Japanische Yen, fr: yens japonais, es: yenes japoneses, ja: 日本円, zh-Hans: 日元}}
              CNY: {{en: Chinese yuan, de: Chinesische Yuan, fr: yuans chinois, es: yuanes chinos, ja: 中国人民元, zh-Hans: 人民币}}
              NOK: {{en: Norwegian kroner, de: Norwegische Kronen, fr: couronnes norvégiennes, es: coronas noruegas,
                ja: ノルウェークローネ,
                zh-Hans: 挪威克朗}}
          purpose: [essential.service, finance]
          legal_basis: contract
          retention: 10 years
          recipients: ["Example Parcels Ltd, Exampletown"]
          origin: [person]
      order_lines:
        connector: sql
        url: sqlite:///systems/shop.db
        table: order_lines
        via: {{orders: {{order_id: id}}}}
        key: id
        product: Shop
        label:
          category: user.behavior.purchase_history
          titles: {{sku: {{en: article, de: Artikel, fr: article, es: artículo, ja: 商品, zh-Hans: 商品}}}}
          purpose: [essential.service, finance]
          legal_basis: contract
          retention: 10 years
          origin: [person]
      messages:
        connector: sql
        url: sqlite:///systems/shop.db
        table: messages
        match: {{sender: mail, recipient: mail}}
        exclude: [spam_score]
        key: id
        product: Shop
        label:
          category: user.content.private
          columns: {{sender: user.contact.email, recipient: user.contact.email}}
          purpose: essential.service.operations.support
          legal_basis: contract
          retention: 6 years
          recipients: ["Example Mail Inc., Springfield"]
          left_out: {{spam_score: security}}
          origin: [person]
          transfers:
            - safeguards: standard_clauses
              to:
                en: United States
                de: USA
                fr: États-Unis
                es: Estados Unidos
                ja: アメリカ合衆国
                zh-Hans: 美国
      activity:
        connector: lake
        url: "systems/activity/**/*.parquet"
        match: {{user_id: upn}}
        time: ts
        product: Activity
        label:
          category: user.behavior
          titles:
            ts: {{en: when it happened, de: wann es geschah, fr: quand c'est arrivé, es: cuándo ocurrió, ja: 発生日時, zh-Hans: 发生时间}}
            client_ip: {{en: internet address that you came from, de: Ihre Internetadresse dabei, fr: adresse internet utilisée,
              es: dirección de internet usada, ja: 接続元のアドレス, zh-Hans: 您使用的网络地址}}
          purpose: [analytics, functional.service.improve]
          legal_basis: consent
          retention: 5 years
          origin: [observed]
      device_reports:
        connector: lake
        url: "systems/devices/*.parquet"
        match: {{device_id: device_id}}
        time: reported_at
        product: Activity
        label:
          category: user.device.telemetry
          purpose: essential.service.security
          legal_basis: legitimate_interests
          retention: 60 months
          origin: [observed]

  # A second tenant: its people are called like some of Contoso's, and share one lake with them.
  - id: {fabrikam}
    name: Fabrikam
    identity:
      issuers:
        - {{issuer: local, audience: [{audience}]}}
    storage:
      accounts:
        {account}: {{url: {fabrikam_exports}}}
    directory:
      connector: sql
      url: sqlite:///fabrikam/people.db
      table: people
      id: object_id
      upn: upn
      display_name: display_name
      language: preferred_language
      identifiers: {{mail: mail, employee_id: employee_no, customer_id: customer_no, folder: drive_folder}}
    statement:
      contact: "privacy@fabrikam.example"
    sources:
      onedrive: {{connector: files, url: fabrikam/onedrive, path: "{{folder}}/", product: OneDrive}}
      employees:
        connector: sql
        url: sqlite:///fabrikam/hr.db
        table: employees
        match: {{employee_no: employee_id}}
        key: id
        product: HR
      activity: {{connector: lake, url: "systems/activity/**/*.parquet", match: {{user_id: upn}}, time: ts, product: Activity}}
"""

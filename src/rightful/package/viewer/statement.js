// What the organization states on the data: messages with values in them, said in the reader's language.

/** Return a text of the statement as nodes; what the organization itself wrote stays text of its own. */
function said(value) {
  if (value.is === "quote") return [foreign(inLanguage(value.words))];
  if (value.is === "listing") return value.items.flatMap((item, index) => (index ? [worded("; "), ...said(item)] : said(item)));
  return filled(value.text, value.values ?? {}, said);
}

/** Return a message in the reader's language. */
function worded(message) {
  return view.words[language.tag]?.[message] ?? view.words.en[message] ?? message;
}

/** Return a message as nodes, with `say` of a value in the place of its name. */
function filled(message, values, say) {
  return worded(message).split(/\{(\w+)\}/).flatMap((part, index) => (index % 2 ? say(values[part]) : part ? [part] : []));
}

function inLanguage(words) {
  return typeof words === "string" ? words : words[language.tag] ?? words.en ?? Object.values(words)[0];
}

function statementSections(view) {
  return view.statement.map((section, index) => {
    const id = index ? `statement-${index}` : "statement";
    const isCard = (block) => block.is === "facts";
    const cards = section.blocks.filter(isCard).map(statementBlock);
    return h(
      "section",
      { "aria-labelledby": id, class: "statement" },
      h("h2", { id }, said(section.title)),
      section.blocks.filter((block) => !isCard(block)).map(statementBlock),
      cards.length > 0 && h("div", { class: "statements" }, cards),
    );
  });
}

function statementBlock(block) {
  if (block.is === "paragraph") return h("p", {}, said(block.text));
  if (block.is === "bullets") return h("ul", {}, block.items.map((item) => h("li", {}, said(item))));
  return h("div", { class: "stated" }, h("h3", {}, said(block.title)), factList(block.facts));
}

function factList(stated) {
  return facts(stated.map(({ term, values }) => [said(term), values.map((value) => h("p", {}, said(value)))]));
}

// Words, numbers and moments, in the reader's language.

const language = { tag: "en", messages: {} };

/** Return a message in the reader's language; `{name}` stands for a value. */
function t(message, values = {}) {
  return fill(language.messages[message] || message, values);
}

/** Return the form of a message that belongs to a number; `{n}` stands for the number. */
function tn(one, other, n, values = {}) {
  const forms = language.messages[one] || [one, other];
  const form = new Intl.PluralRules(language.tag).select(n) === "one" ? forms[0] : forms[forms.length - 1];
  return fill(form, { n: number(n), ...values });
}

/** Return a message that is said where it is shown (`told`), in the language of then. Its values may be such messages, too. */
function later(message, values = {}) {
  return { message, values };
}

function fill(message, values) {
  return message.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

function number(n) {
  return new Intl.NumberFormat(language.tag).format(n);
}

/** Return a size as people read it. */
function size(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let unit = 0;
  let shown = bytes;
  while (shown >= 1000 && unit < units.length - 1) {
    shown /= 1000;
    unit += 1;
  }
  const maximumFractionDigits = unit && shown < 100 ? 1 : 0;
  const unitDisplay = unit ? "short" : "long";
  return new Intl.NumberFormat(language.tag, { style: "unit", unit: units[unit], unitDisplay, maximumFractionDigits }).format(shown);
}

/** Return several things as a list in a sentence. */
function list(things) {
  return new Intl.ListFormat(language.tag, { type: "conjunction" }).format(things);
}

const DATE = /^\d{4}-\d\d-\d\d$/;
const MOMENT = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?$/;

/** Return a date or moment of a package as people read it, in the zone in which it is written; what is none comes back as it is. */
function moment(text) {
  const isDate = DATE.test(text);
  if ((!isDate && !MOMENT.test(text)) || text < "0001") return text;
  const at = new Date(isDate ? text : `${text.slice(0, 19).replace(" ", "T")}Z`);
  if (Number.isNaN(at.getTime())) return text;
  const shown = formatter(isDate ? { dateStyle: "medium" } : { dateStyle: "medium", timeStyle: "medium" }).format(at);
  return text.endsWith("Z") ? `${shown} UTC` : shown;
}

const formatters = new Map();

function formatter(options) {
  const key = `${language.tag} ${JSON.stringify(options)}`;
  if (!formatters.has(key)) formatters.set(key, new Intl.DateTimeFormat(language.tag, { ...options, timeZone: "UTC" }));
  return formatters.get(key);
}

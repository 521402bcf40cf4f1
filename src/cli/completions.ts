/**
 * Completion scripts for bash, zsh and fish, made from the table of commands.
 *
 * @module
 */

import { type Command, type Completion, type Flags, GLOBAL_FLAGS } from "./command.ts";

/** By shell. */
export const COMPLETION_SCRIPTS: Readonly<
  Record<string, (commands: readonly Command[]) => string>
> = { bash: bashScript, zsh: zshScript, fish: fishScript };

/** One flag with its name. */
type Named = readonly [name: string, flag: Flags[string]];

function flagsOf(command: Command): Named[] {
  return Object.entries({ ...command.flags, ...GLOBAL_FLAGS });
}

function spellings([name, flag]: Named): string[] {
  return flag.alias === undefined ? [`--${name}`] : [`-${flag.alias}`, `--${name}`];
}

/** Text in single quotes, for all three shells. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function takesFiles(completion: Completion | undefined): boolean {
  return completion === "file" || completion === "folder";
}

// ── bash ──

/** Where files are wanted the script offers nothing, and bash, by `-o default`, offers its files. */
function bashScript(commands: readonly Command[]): string {
  const skipped = Object.entries(GLOBAL_FLAGS)
    .filter(([, flag]) => flag.kind === "value").flatMap(spellings);
  return `# bash completion for govault
_govault() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} cmd= flags= words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${skipped.join("|")}) ((i++)) ;;
      -*) ;;
      *) cmd=\${COMP_WORDS[i]}; break ;;
    esac
  done
  COMPREPLY=()
  case $cmd:$prev in
${bashValues(commands)}
  esac
  case $cmd in
    '')
      flags=${quoted(Object.entries(GLOBAL_FLAGS).flatMap(spellings).join(" "))}
      words=${quoted([...commands.map((command) => command.name), "help"].join(" "))} ;;
    help) words=${quoted(commands.map((command) => command.name).join(" "))} ;;
${commands.map(bashCommand).join("\n")}
  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$cur")) ;;
    *) [[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
  esac
}
complete -o default -F _govault govault
`;
}

/** Cases for the word after a flag that takes a value: files by default, the flag's words, or nothing. */
function bashValues(commands: readonly Command[]): string {
  const lines: string[] = [];
  const add = (patterns: string[], completion: Completion | undefined) => {
    const offer = takesFiles(completion)
      ? ""
      : Array.isArray(completion)
      ? `COMPREPLY=($(compgen -W ${quoted(completion.join(" "))} -- "$cur")); `
      : "compopt +o default 2>/dev/null; ";
    lines.push(`    ${patterns.join("|")}) ${offer}return ;;`);
  };
  for (const named of Object.entries<Flags[string]>(GLOBAL_FLAGS)) {
    if (named[1].kind === "switch") continue;
    add(spellings(named).map((spelling) => `*:${spelling}`), named[1].complete);
  }
  for (const command of commands) {
    for (const named of Object.entries(command.flags)) {
      if (named[1].kind === "switch") continue;
      const patterns = spellings(named).map((spelling) => `${command.name}:${spelling}`);
      add(patterns, named[1].complete);
    }
  }
  return lines.join("\n");
}

function bashCommand(command: Command): string {
  const flags = `flags=${quoted(flagsOf(command).flatMap(spellings).join(" "))}`;
  const first = command.operands[0]?.complete;
  const words = Array.isArray(first) ? ` words=${quoted(first.join(" "))}` : "";
  return `    ${command.name}) ${flags}${words} ;;`;
}

// ── zsh ──

function zshScript(commands: readonly Command[]): string {
  const described = (command: Command) => quoted(`${command.name}:${command.summary}`);
  return `#compdef govault
# zsh completion for govault
_govault() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands
  commands=(
${commands.map((command) => `    ${described(command)}`).join("\n")}
    'help:show how a command is used'
  )
  _arguments -C \\
${Object.entries(GLOBAL_FLAGS).map((named) => `    ${zshFlag(named)} \\`).join("\n")}
    '1:command:->command' \\
    '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $words[1] in
        help) _describe command commands ;;
${commands.map(zshCommand).join("\n")}
      esac ;;
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _govault "$@"
else
  compdef _govault govault
fi
`;
}

function zshCommand(command: Command): string {
  const operands = command.operands.map((operand, i) => {
    const position = operand.many === true ? "*" : String(i + 1);
    return quoted(`${position}:${operand.name}:${zshAction(operand.complete)}`);
  });
  const specs = [...flagsOf(command).map(zshFlag), ...operands];
  return `        ${command.name}) _arguments -s \\\n          ${specs.join(" \\\n          ")} ;;`;
}

/** `'(-o --output)'{-o,--output}'[where to]:PATH:_files'` */
function zshFlag(named: Named): string {
  const [, flag] = named;
  const help = `[${flag.help.replace(/[[\]\\:]/g, "\\$&")}]`;
  const value = flag.kind === "switch" ? "" : `:${flag.value}:${zshAction(flag.complete)}`;
  const names = spellings(named);
  const repeat = flag.kind === "list" ? "'*'" : quoted(`(${names.join(" ")})`);
  const typed = names.length === 1 ? names[0] : `{${names.join(",")}}`;
  return `${repeat}${typed}${quoted(help + value)}`;
}

function zshAction(completion: Completion | undefined): string {
  if (completion === "file") return "_files";
  if (completion === "folder") return "_files -/";
  return Array.isArray(completion) ? `(${completion.join(" ")})` : " ";
}

// ── fish ──

function fishScript(commands: readonly Command[]): string {
  const names = commands.map((command) => command.name).join(" ");
  return [
    "# fish completion for govault",
    "complete -c govault -f",
    ...Object.entries(GLOBAL_FLAGS).map((named) => `complete -c govault ${fishFlag(named)}`),
    ...commands.map((command) =>
      `complete -c govault -n __fish_use_subcommand -a ${command.name} -d ${
        quoted(command.summary)
      }`
    ),
    "complete -c govault -n __fish_use_subcommand -a help -d 'show how a command is used'",
    `complete -c govault -n '__fish_seen_subcommand_from help' -a ${quoted(names)}`,
    ...commands.flatMap(fishCommand),
    "",
  ].join("\n");
}

function fishCommand(command: Command): string[] {
  const when = `complete -c govault -n '__fish_seen_subcommand_from ${command.name}'`;
  const operands = command.operands.flatMap(({ complete }) => {
    if (takesFiles(complete)) return [`${when} -F`];
    return Array.isArray(complete) ? [`${when} -a ${quoted(complete.join(" "))}`] : [];
  });
  return [
    ...Object.entries(command.flags).map((named) => `${when} ${fishFlag(named)}`),
    ...operands,
  ];
}

function fishFlag([name, flag]: Named): string {
  const short = flag.alias === undefined ? "" : `-s ${flag.alias} `;
  return `${short}-l ${name}${fishValue(flag)} -d ${quoted(flag.help)}`;
}

function fishValue(flag: Flags[string]): string {
  if (flag.kind === "switch") return "";
  if (takesFiles(flag.complete)) return " -r -F";
  return Array.isArray(flag.complete) ? ` -x -a ${quoted(flag.complete.join(" "))}` : " -x";
}

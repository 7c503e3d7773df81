import { useEffect, useId, useRef, useState, type FormEvent } from "react";
import { useAgents } from "./agents";
import type { List } from "./list";

interface Props {
  list: List;
  onChange: (change: Partial<List>) => void;
}

const another = "another";

/** The filters. On phones they are collapsed, and beside them is the order, because the table has no header. */
export function Toolbar({ list, onChange }: Props) {
  const id = useId();
  const agents = useAgents();
  const [typesAgent, setTypesAgent] = useState(false);
  useEffect(() => setTypesAgent(false), [list.agent]);
  const [isOpen, setIsOpen] = useState(false);
  const used = [list.user, list.agent, list.from, list.to].filter(Boolean).length;

  return (
    <div className={isOpen ? "toolbar open" : "toolbar"} role="search" aria-label="Filters">
      <div className="field narrow-only">
        <button className="filters" aria-expanded={isOpen} aria-controls={`${id}filters`} onClick={() => setIsOpen(!isOpen)}>
          Filters{used > 0 && ` (${used})`}
          <svg viewBox="0 0 12 12" aria-hidden="true">
            <path d={isOpen ? "M3 7.5 6 4.5 9 7.5" : "M3 4.5 6 7.5 9 4.5"} />
          </svg>
        </button>
      </div>
      <div className="field narrow-only">
        <label htmlFor={`${id}order`}>Order</label>
        <select
          id={`${id}order`}
          value={`${list.sort} ${list.order}`}
          onChange={(e) => {
            const [sort, order] = e.target.value.split(" ") as [List["sort"], List["order"]];
            onChange({ sort, order });
          }}
        >
          <option value="contact desc">Latest contact</option>
          <option value="contact asc">Oldest contact</option>
          <option value="conversations desc">Most frequent</option>
          <option value="conversations asc">Least frequent</option>
          <option value="sentiment desc">Best sentiment</option>
          <option value="sentiment asc">Worst sentiment</option>
        </select>
      </div>

      <div className="fields" id={`${id}filters`}>
        <form className="field wide" onSubmit={submitting((user) => onChange({ user }))}>
          <label htmlFor={`${id}user`}>User ID</label>
          <Text id={`${id}user`} type="search" value={list.user} onCommit={(user) => onChange({ user })} placeholder="Exactly this ID" />
        </form>

        {typesAgent ? (
          <form className="field agents" onSubmit={submitting((agent) => (agent ? onChange({ agent }) : setTypesAgent(false)))}>
            <label htmlFor={`${id}agent`}>Agent ID</label>
            <Text id={`${id}agent`} value="" onCommit={() => {}} onLeave={() => setTypesAgent(false)} placeholder="agent_… or seng_…, then Enter" autoFocus />
          </form>
        ) : (
          <div className="field agents">
            <label htmlFor={`${id}agent`}>Agent</label>
            <select id={`${id}agent`} value={list.agent} onChange={(e) => (e.target.value === another ? setTypesAgent(true) : onChange({ agent: e.target.value }))}>
              <option value="">All agents</option>
              {list.agent && !agents.some((a) => a.id === list.agent) && <option value={list.agent}>{list.agent}</option>}
              {agents.map((a) => (
                <option key={a.id} value={a.id}>
                  {a.name}
                </option>
              ))}
              <option value={another}>Another one…</option>
            </select>
          </div>
        )}

        <Day id={`${id}from`} label="Talked from" value={list.from} onCommit={(from) => onChange({ from })} />
        <Day id={`${id}to`} label="Talked until" value={list.to} onCommit={(to) => onChange({ to })} />
      </div>
    </div>
  );
}

/** Commits the value of a form's only field when the form is submitted. */
function submitting(commit: (value: string) => void) {
  return (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    commit(event.currentTarget.querySelector("input")!.value);
  };
}

interface TextProps {
  id: string;
  value: string;
  onCommit: (value: string) => void;
  onLeave?: () => void;
  type?: "search" | "text";
  placeholder: string;
  autoFocus?: boolean;
}

/** A text that takes effect when it is submitted or cleared. */
function Text({ value, onCommit, onLeave, ...rest }: TextProps) {
  const input = useFollowing(value);
  return (
    <input
      {...rest}
      ref={input}
      defaultValue={value}
      autoComplete="off"
      autoCapitalize="off"
      spellCheck={false}
      enterKeyHint="search"
      dir="auto"
      onBlur={onLeave}
      onInput={(e) => {
        if (e.currentTarget.value === "" && value !== "") onCommit("");
      }}
    />
  );
}

/** A day that takes effect when it is complete: while a year is typed, its first digits are a year as well. */
function Day({ id, label, value, onCommit }: { id: string; label: string; value: string; onCommit: (day: string) => void }) {
  const input = useFollowing(value);
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        ref={input}
        type="date"
        defaultValue={value}
        min="1970-01-01"
        max="2999-12-31"
        onInput={(e) => {
          const day = e.currentTarget.value;
          if (day !== value && (day === "" || day >= "1970")) onCommit(day);
        }}
      />
    </div>
  );
}

/** An input that keeps the typed text, and follows the address when that changes. */
function useFollowing(value: string) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (input.current && input.current.value !== value) input.current.value = value;
  }, [value]);
  return input;
}

// A note.
import React from "react"; // why

/** A documented component. */
export function List(props: /* inline */ Props) {
  return (
    <ul // behind a tag
      className="a" /* behind an attribute */
      title="http://example.com /* text */"
      {...props /* spread */}
    >
      /* text, no comment */ https://example.com // text, too
      {/* alone: stays */}
      {
        // a line alone: stays
      }
      {props.items.map((item) => {
        // inside of a function in the markup
        return <li key={item /* key */}>{item}</li>; /* end */
      })}
      {/* @ts-expect-error: stays */}
      <Item<string /* type */> value={1} />
    </ul>
  );
}

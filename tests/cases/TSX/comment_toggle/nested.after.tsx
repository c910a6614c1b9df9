import React from "react";

export function List(props: Props) {
  return (
    <ul
      className="a"
      title="http://example.com /* text */"
      {...props /* spread */}
    >
      /* text, no comment */ https://example.com // text, too
      {/* alone: stays */}
      {
        // a line alone: stays
      }
      {props.items.map((item) => {
        return <li key={item /* key */}>{item}</li>;
      })}
      {/* @ts-expect-error: stays */}
      <Item<string > value={1} />
    </ul>
  );
}

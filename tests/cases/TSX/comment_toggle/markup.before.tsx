// A note.
export const View = () => (
  <div /* attribute */ className="a">
    {/* stays: an empty expression would remain */}
    // this is text
    {items.map((item) => ( // trailing
      <Item key={item} />
    ))}
  </div>
);

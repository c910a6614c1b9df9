export const View = () => (
  <div className="a">
    {/* stays: an empty expression would remain */}
    // this is text
    {items.map((item) => (
      <Item key={item} />
    ))}
  </div>
);

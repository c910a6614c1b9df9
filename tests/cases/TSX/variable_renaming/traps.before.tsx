// Names that may move are called moves..., all others stay...
export function Component({ title, ...movesRest }: { title: string }) {
  const movesItems = [1, 2];
  const StayTag = "b" as const;
  const div = 1;
  return (
    <div className={title} {...movesRest}>
      staysText
      {movesItems.map((movesItem) => <StayTag key={movesItem}>{div}</StayTag>)}
    </div>
  );
}

export const View=(props: Props,second: string,third: number) => {
  const a=1;
  return (
    <div className="a" title={call(1, 2)}>
            text,  with   spaces <b>bold</b> {a}
            {" "}
        </div>
  );
};

#define NAMES
using System;
using System.Collections.Generic;
#region Names


namespace Names {
    [Serializable]
    public class Names<T> where T : class
    {
        static readonly string[] list = {"first", "second", @"thi
            rd"};
        public int Count { get; private set; }
        public Names(int count) { Count=count; }

#if NAMES
        public List<int> All(string prefix, int limit=3, params object[] rest)
        {
            var found = new List<int> { 1, 2, limit-1 };

            foreach (var name in list) {
                // one of them
                if (name != prefix && limit > -1)
                    found.Add(limit);
                else if (name == null) {
                    continue;
                }
                else {
                    string.Format(
                        "some  {0}",
                        $"{prefix  + 1}, {limit}"
                    );
                }
            }
            switch (limit) {
                case 1:
                    return null;
                default:
                    break;
            }
            Func<int, int> twice = x => { return x*2; };
            return found;
        }
#endif
    }
}
#endregion

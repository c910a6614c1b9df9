#define STAYS // with its comment
// What the file does.
using System; // a library
#region Top // stays
#pragma warning disable 168 // stays

/* a block
   of lines */
namespace Counted
{
    /// <summary>Documentation stays.</summary>
    public class Counter // opens
    {
        // ReSharper disable once All
        int total = 1; /* one */

#if STAYS // with its comment
        // goes
        public int Total(int rows, /* between */ params int[] more)
        {
            var text = @"// stays
                /* stays */" + $"{rows /* stays */} // stays";
            char quote = '"'; // a quote
            switch (rows)
            {
                case 1: // one
                    goto default;
                default:
                    // nothing
                    break;
            }
            return rows/* parts */- -1; /* ends
            later */
        }
#else
        /* what is left out
#if STAYS
#endif
        stays */
#endif
    }
}
#endregion // stays

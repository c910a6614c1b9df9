#define STAYS // with its comment
using System;
#region Top // stays
#pragma warning disable 168 // stays

namespace Counted
{
    /// <summary>Documentation stays.</summary>
    public class Counter
    {
        // ReSharper disable once All
        int total = 1;

#if STAYS // with its comment
        public int Total(int rows, params int[] more)
        {
            var text = @"// stays
                /* stays */" + $"{rows /* stays */} // stays";
            char quote = '"';
            switch (rows)
            {
                case 1:
                    goto default;
                default:
                    break;
            }
            return rows - -1;
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

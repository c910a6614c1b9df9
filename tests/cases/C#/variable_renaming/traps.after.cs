// Names that may move are called moves..., all others stay...
using System;
using System.Collections.Generic;

class StayPair
{
    public int StayFirst, stayMember;
    public List<int> StayList = new List<int>();
}

class StayClass
{
    int stayField = 1;
    const int stayConstant = 2;

    int StayProperty
    {
        get { int finger = stayField; return finger; }
    }

    int StayMethod(int stayParameter, string[] stayRows, ref int stayReference)
    {
        int dragon = stayParameter, border = 1;
        var pillow = new StayPair { StayFirst = dragon, stayMember = border, StayList = { border } };
        for (int spring = 0, amount = dragon; spring < amount; spring++)
            pillow.stayMember += spring * amount;
        foreach (var anchor in stayRows)
        {
            string cradle = $"{anchor} {dragon + 1} stayInText", stayInText = anchor;
            Console.WriteLine(cradle, stayInText);
        }
        try
        {
            StayCall(stayNamed: dragon, stayOut: out border);
        }
        catch (Exception pepper) when (pepper.Message != null)
        {
            throw pepper;
        }
        using (var lagoon = StayOpen()) { lagoon.Dispose(); }
        switch (dragon)
        {
            case stayConstant:
                int orchid = border;
                return orchid;
        }
        {
            int circle = 1;
            stayReference = circle;
        }
        return (int)dragon + pillow.StayList[border] + this.stayField;
    }

    void StayCall(int stayNamed, out int stayOut)
    {
        int stayCaptured = stayNamed;
        Func<int, int> answer = stayArgument => stayArgument + stayCaptured;
        var stayPart = 1;
        var tunnel = new { stayPart };
        int @stayAt = answer(tunnel.stayPart);
        stayOut = stayAt;
    }

    IDisposable StayOpen()
    {
        int staySeen = 1;
        Console.WriteLine(nameof(staySeen));
        return null;
    }

    IEnumerable<int> StayYield()
    {
        int stayHoisted = 1;
        yield return stayHoisted;
    }
}

class StayLast
{
    int StayOnly()
    {
        int banner = 1;
        return banner;
    }
}

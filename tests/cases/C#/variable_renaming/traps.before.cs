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
        get { int movesGot = stayField; return movesGot; }
    }

    int StayMethod(int stayParameter, string[] stayRows, ref int stayReference)
    {
        int movesSum = stayParameter, movesOther = 1;
        var movesPair = new StayPair { StayFirst = movesSum, stayMember = movesOther, StayList = { movesOther } };
        for (int movesI = 0, movesJ = movesSum; movesI < movesJ; movesI++)
            movesPair.stayMember += movesI * movesJ;
        foreach (var movesRow in stayRows)
        {
            string movesText = $"{movesRow} {movesSum + 1} stayInText", stayInText = movesRow;
            Console.WriteLine(movesText, stayInText);
        }
        try
        {
            StayCall(stayNamed: movesSum, stayOut: out movesOther);
        }
        catch (Exception movesError) when (movesError.Message != null)
        {
            throw movesError;
        }
        using (var movesUsed = StayOpen()) { movesUsed.Dispose(); }
        switch (movesSum)
        {
            case stayConstant:
                int movesCase = movesOther;
                return movesCase;
        }
        {
            int movesBlock = 1;
            stayReference = movesBlock;
        }
        return (int)movesSum + movesPair.StayList[movesOther] + this.stayField;
    }

    void StayCall(int stayNamed, out int stayOut)
    {
        int stayCaptured = stayNamed;
        Func<int, int> movesFunction = stayArgument => stayArgument + stayCaptured;
        var stayPart = 1;
        var movesAnonymous = new { stayPart };
        int @stayAt = movesFunction(movesAnonymous.stayPart);
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
        int movesLast = 1;
        return movesLast;
    }
}

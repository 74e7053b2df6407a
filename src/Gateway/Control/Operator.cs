namespace GatewaySecure.Gateway.Control;

/// <summary>Who gives a command, as the operating system says it: never as he says himself.</summary>
/// <param name="Name">Of the user under which the command runs.</param>
/// <param name="UserId">Null where the system does not tell.</param>
/// <param name="Login">Who logged in: stays the same whatever sudo or su makes of the user. Null where there was no login, or the system keeps none.</param>
internal sealed record Operator(string Name, uint? UserId, SystemUser? Login = null)
{
    /// <summary>For the audit and for people.</summary>
    public string Description => (UserId, Login) switch
    {
        (null, _) => Name,
        ({ } id, { } login) when login.Id != id => $"{Name} (uid {id}), logged in as {login.Name} (uid {login.Id})",
        _ => $"{Name} (uid {UserId})",
    };

    /// <summary>
    /// For certain another person: by their logins where both have one, by their users where neither has. Where only one has, it
    /// could be the same person without his login, so the answer is no.
    /// </summary>
    public bool IsCertainlyNot(Operator other) => (Login, other.Login) switch
    {
        ({ } mine, { } his) => mine.Id != his.Id,
        (null, null) => UserId is not null && other.UserId is not null && UserId != other.UserId,
        _ => false,
    };
}

/// <summary>A user of the machine.</summary>
internal sealed record SystemUser(uint Id, string Name);

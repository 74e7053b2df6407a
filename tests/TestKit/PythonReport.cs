namespace GatewaySecure.TestKit;

/// <summary>Delivery status notifications as Python's email package reads them: a parser that is not ours.</summary>
public static class PythonReport
{
    private const string Script = """
        import email, email.policy, sys
        message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
        assert message.get_content_type() == "multipart/report", message.get_content_type()
        assert message.get_param("report-type") == "delivery-status"
        assert not message.defects, message.defects
        parts = message.get_payload()
        assert len(parts) == 3, len(parts)
        assert parts[0].get_content_type() == "text/plain"
        parts[0].get_content()
        for part in message.walk():
            assert not part.defects, (part.get_content_type(), part.defects)
        assert parts[1].get_content_type() in ("message/delivery-status", "message/global-delivery-status")
        groups = parts[1].get_payload()
        assert groups[0]["Reporting-MTA"] and groups[0]["Arrival-Date"]
        for group in groups[1:]:
            if not group.keys():
                continue
            fields = [str(group[name] or "") for name in ("Action", "Status", "Original-Recipient", "Diagnostic-Code", "Will-Retry-Until")]
            print("|".join([str(group["Final-Recipient"]).split("; ")[1], *fields]))
        """;

    /// <returns>For each recipient: address, action, status, original recipient, diagnostic code, retried until; with bars between.</returns>
    /// <exception cref="InvalidOperationException">It is no report, or has a defect.</exception>
    public static async Task<string[]> RecipientsAsync(byte[] message)
    {
        var result = (await Tool.RunAsync("python3", ["-c", Script], message)).Checked();
        return result.Text.ReplaceLineEndings("\n").Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}

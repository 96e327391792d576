import Foundation

/// Follows one video while the app is in the foreground. The push tells of the end when it is not.
///
/// The app's server creates the job with its API key and hands `id` and `client_token` to the app; the token reads this one
/// job, for 24 hours, and nothing else.
struct FollowVideo {
    let baseURL: URL
    let videoID: String
    let clientToken: String

    /// Every state of the video, the last one being final. Ends by itself; throws when the token is refused.
    func states() -> AsyncThrowingStream<[String: Any], Error> {
        AsyncThrowingStream { continuation in
            let task = Task {
                var lastEventID: String?
                var retrySeconds = 2.0
                while !Task.isCancelled {
                    do {
                        let isOver = try await read(after: &lastEventID, retry: &retrySeconds) { continuation.yield($0) }
                        if isOver { break }
                    } catch let error as Refused {
                        continuation.finish(throwing: error)
                        return
                    } catch { /* The network went away: the next connection goes on where this one broke off. */ }
                    try? await Task.sleep(nanoseconds: UInt64(retrySeconds * 1_000_000_000))
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    struct Refused: Error { let status: Int }

    private func read(
        after lastEventID: inout String?, retry: inout Double, onVideo: ([String: Any]) -> Void
    ) async throws -> Bool {
        var request = URLRequest(url: baseURL.appendingPathComponent("v1/videos/\(videoID)/events"))
        request.setValue("Bearer \(clientToken)", forHTTPHeaderField: "Authorization")
        request.setValue("text/event-stream", forHTTPHeaderField: "Accept")
        request.setValue(lastEventID, forHTTPHeaderField: "Last-Event-ID")
        // A heartbeat comes every 15 seconds: two that are missing are a dead connection.
        request.timeoutInterval = 40
        let (bytes, response) = try await URLSession.shared.bytes(for: request)
        let status = (response as? HTTPURLResponse)?.statusCode ?? 0
        if status == 204 { return true }
        if (400..<500).contains(status) && status != 429 { throw Refused(status: status) }
        guard status == 200 else { return false }

        var event = "", data = "", isOver = false
        // `lines` leaves out empty ones, which end an event: so it ends here where the next one begins.
        func finish() {
            if event == "video", let object = try? JSONSerialization.jsonObject(with: Data(data.utf8)) as? [String: Any] {
                onVideo(object)
                isOver = ["completed", "failed", "cancelled"].contains(object["status"] as? String ?? "")
            }
            event = ""; data = ""
        }
        for try await line in bytes.lines {
            if line.hasPrefix("event:") { finish(); event = value(of: line) }
            else if line.hasPrefix("data:") { data += value(of: line); if event == "video" { finish() } }
            else if line.hasPrefix("id:") { lastEventID = value(of: line) }
            else if line.hasPrefix("retry:"), let milliseconds = Double(value(of: line)) { retry = milliseconds / 1_000 }
            if isOver { return true }
        }
        return isOver
    }

    private func value(of line: String) -> String {
        guard let colon = line.firstIndex(of: ":") else { return "" }
        return line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
    }
}

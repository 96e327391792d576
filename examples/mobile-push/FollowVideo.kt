import java.io.IOException
import java.util.concurrent.TimeUnit
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.FlowCollector
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.flowOn
import okhttp3.OkHttpClient
import okhttp3.Request
import org.json.JSONObject

/**
 * Follows one video while the app is in the foreground. The push tells of the end when it is not.
 *
 * The app's server creates the job with its API key and hands `id` and `client_token` to the app; the token reads this one
 * job, for 24 hours, and nothing else.
 */
class FollowVideo(private val baseUrl: String, private val videoId: String, private val clientToken: String) {
    // A heartbeat comes every 15 seconds: two that are missing are a dead connection.
    private val client = OkHttpClient.Builder().readTimeout(40, TimeUnit.SECONDS).build()
    private var lastEventId: String? = null
    private var retryMs = 2_000L

    class Refused(val status: Int) : Exception("the token was refused: $status")

    /** Every state of the video, the last one being final. */
    fun states(): Flow<JSONObject> = flow {
        while (true) {
            val isOver = try {
                read()
            } catch (_: IOException) {
                false // The network went away: the next connection goes on where this one broke off.
            }
            if (isOver) return@flow
            delay(retryMs)
        }
    }.flowOn(Dispatchers.IO)

    private suspend fun FlowCollector<JSONObject>.read(): Boolean {
        val request = Request.Builder()
            .url("$baseUrl/v1/videos/$videoId/events")
            .header("Authorization", "Bearer $clientToken")
            .header("Accept", "text/event-stream")
            .apply { lastEventId?.let { header("Last-Event-ID", it) } }
            .build()
        client.newCall(request).execute().use { response ->
            if (response.code == 204) return true
            if (response.code in 400..499 && response.code != 429) throw Refused(response.code)
            if (!response.isSuccessful) return false
            val source = response.body!!.source()
            var event = ""
            val data = StringBuilder()
            while (true) {
                currentCoroutineContext().ensureActive()
                val line = source.readUtf8Line() ?: return false
                val value = line.substringAfter(':', "").trim()
                when {
                    line.startsWith("event:") -> event = value
                    line.startsWith("data:") -> data.append(value)
                    line.startsWith("id:") -> lastEventId = value
                    line.startsWith("retry:") -> retryMs = value.toLongOrNull() ?: retryMs
                    line.isEmpty() -> {
                        if (event == "video") {
                            val video = JSONObject(data.toString())
                            emit(video)
                            if (video.getString("status") in final) return true
                        }
                        event = ""
                        data.clear()
                    }
                }
            }
        }
    }

    private companion object {
        val final = setOf("completed", "failed", "cancelled")
    }
}

// Java's own HttpClient, as Spring AI and LangChain4j use it: by default it offers h2c with every request.
// Answers are compared with those to plain HTTP/1.1, whose vectors the other clients check.

import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpClient.Version;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

public class HttpClientCheck {
  static final Map<String, String> GIVEN = new HashMap<>();
  static final HttpClient OFFERING = HttpClient.newHttpClient();
  static final HttpClient PLAIN = HttpClient.newBuilder().version(Version.HTTP_1_1).build();
  static final String TEXTS = "{\"model\": \"vanilla\", \"input\": [\"Loose paper is fragile.\", \"K\\u00f6ln\"]}";

  interface Run { void run() throws Exception; }

  public static void main(String[] arguments) {
    for (int at = 0; at + 1 < arguments.length; at += 2) GIVEN.put(arguments[at].substring(2), arguments[at + 1]);
    System.out.println("{\"version\": \"" + Runtime.version().feature() + "\"}");

    check("vectors", "a body with a length", () -> same(BodyPublishers.ofString(TEXTS)));
    check("vectors", "a body in chunks", () -> same(BodyPublishers.ofInputStream(
        () -> new ByteArrayInputStream(TEXTS.getBytes(StandardCharsets.UTF_8)))));
    check("many", "many requests on the same connections", () -> {
      String expected = ask(PLAIN, "/v1/embeddings", BodyPublishers.ofString(TEXTS)).body();
      List<String> got = IntStream.range(0, 50).parallel().mapToObj(n -> {
        try {
          return ask(OFFERING, "/v1/embeddings", BodyPublishers.ofString(TEXTS)).body();
        } catch (Exception error) {
          throw new IllegalStateException(error);
        }
      }).toList();
      for (String one : got) equal(expected, one);
    });
    check("models", "list", () -> {
      HttpResponse<String> answer = ask(OFFERING, "/v1/models", null);
      equal(200, answer.statusCode());
      equal(true, answer.body().contains("\"vanilla\""));
    });
    check("errors", "a request in the body of another is not answered", () -> {
      HttpResponse<String> answer = ask(OFFERING, "/v1/embeddings",
          BodyPublishers.ofString("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
      equal(400, answer.statusCode());
      equal(true, answer.body().contains("invalid_value"));
    });
    check("errors", "unknown model: 404, model_not_found", () -> {
      HttpResponse<String> answer = ask(OFFERING, "/v1/embeddings",
          BodyPublishers.ofString(TEXTS.replace("vanilla", "no-such-model")));
      equal(404, answer.statusCode());
      equal(true, answer.body().contains("model_not_found"));
    });
    System.exit(0);
  }

  static void same(BodyPublisher body) throws Exception {
    HttpResponse<String> answer = ask(OFFERING, "/v1/embeddings", body);
    equal(200, answer.statusCode());
    equal(ask(PLAIN, "/v1/embeddings", BodyPublishers.ofString(TEXTS)).body(), answer.body());
  }

  static HttpResponse<String> ask(HttpClient client, String path, BodyPublisher body) throws Exception {
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(GIVEN.get("url") + path))
        .timeout(Duration.ofSeconds(60)).header("content-type", "application/json");
    if (GIVEN.containsKey("key")) request.header("authorization", "Bearer " + GIVEN.get("key"));
    return client.send(body == null ? request.build() : request.POST(body).build(), BodyHandlers.ofString());
  }

  static void equal(Object wanted, Object got) {
    if (!wanted.equals(got)) throw new AssertionError(got + " is not " + wanted);
  }

  static void check(String topic, String what, Run run) {
    String detail = "";
    try {
      run.run();
    } catch (Throwable error) {
      detail = error.toString().replaceAll("[^ -~]|[\"\\\\]", " ");
    }
    System.out.println("{\"topic\": \"" + topic + "\", \"check\": \"" + what + "\", \"ok\": " + detail.isEmpty()
        + ", \"detail\": \"" + detail + "\"}");
  }
}

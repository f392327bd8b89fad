package app.config;

import javax.sql.DataSource;
import org.apache.ibatis.annotations.Mapper;
import org.mybatis.spring.SqlSessionFactoryBean;
import org.mybatis.spring.mapper.MapperScannerConfigurer;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.io.support.PathMatchingResourcePatternResolver;

/** MyBatis on the DataSource: sqlSession, and the mappers marked with Mapper. */
@Configuration
public class DataAccessConfig {
	@Bean
	SqlSessionFactoryBean sqlSession(DataSource dataSource) throws Exception {
		SqlSessionFactoryBean factory = new SqlSessionFactoryBean();

		factory.setDataSource(dataSource);
		factory.setMapperLocations(new PathMatchingResourcePatternResolver().getResources("classpath:mapper/*.xml"));
		return factory;
	}

	@Bean
	static MapperScannerConfigurer mapperConfigurer() {
		MapperScannerConfigurer configurer = new MapperScannerConfigurer();

		configurer.setBasePackage("app");
		configurer.setAnnotationClass(Mapper.class);
		configurer.setSqlSessionFactoryBeanName("sqlSession");
		return configurer;
	}
}
